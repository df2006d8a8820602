"""Arrivals recorded by production services: one file a format, and one reader for all of them."""
