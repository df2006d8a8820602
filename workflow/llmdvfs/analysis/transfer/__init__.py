"""KV transfer between instances: how long, how many bytes, over which link."""
