"""Configuration to cells: names, keys and specifications; no I/O beyond reading the configuration."""
