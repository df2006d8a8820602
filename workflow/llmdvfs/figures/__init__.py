"""Records to figures; no statistics."""
