"""What `monitor` recorded, in numbers and in words."""
