"""One request and its answer as bytes: rendered before it is due, read and judged after the run."""
