"""The client's own error, measured against a server whose times are known."""
