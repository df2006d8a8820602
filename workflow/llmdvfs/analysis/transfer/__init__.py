"""KV transfer between instances: how long it took, how many bytes, over which link."""
