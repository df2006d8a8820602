"""Makes results of raw records, without a network and without a GPU."""
