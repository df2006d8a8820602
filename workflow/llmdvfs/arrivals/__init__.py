"""When requests are sent: a file for each kind of arrivals, with all that anybody has to know of it."""
