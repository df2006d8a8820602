"""Raw records to results; no network, no GPU."""
