"""The comparison in words, tables and rows."""
