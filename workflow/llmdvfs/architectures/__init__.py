"""The architectures that can be served: one file each, and the table of them."""
