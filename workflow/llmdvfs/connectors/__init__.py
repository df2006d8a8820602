"""How the KV cache travels from prefill to decode: one file a connector, and the table of them."""
