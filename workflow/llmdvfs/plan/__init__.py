"""From a configuration to cells: their names, keys and specifications.

Files are only read, except what `code_hash` remembers of parsed files.
"""
