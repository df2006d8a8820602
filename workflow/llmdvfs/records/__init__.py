"""What passes between stages: frozen dataclasses with units in their names, and versioned JSON."""
