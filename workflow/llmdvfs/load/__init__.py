"""The load generator: what is asked, when, and what came back at which instant."""
