"""The proxy: the process between clients and instances, and its stamps of each request."""
