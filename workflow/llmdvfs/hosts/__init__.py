"""Several hosts under one deployment: an agent on each, their clocks, the network between them (docs/hosts.md)."""
