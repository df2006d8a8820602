"""Who of several instances serves a request, and what each is asked: one knowledge for proxy and load generator."""
