"""Kinds of arrivals, that is, when requests are sent: one file a kind, with all that has to be known of it."""
