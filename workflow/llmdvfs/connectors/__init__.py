"""KV connectors, that is, how the KV cache travels from prefill to decode: one file each, and their table."""
