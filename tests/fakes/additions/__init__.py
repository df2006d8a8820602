"""One of each kind that the product has a table of, as somebody who adds it would write it: one file each."""
