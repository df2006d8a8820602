"""The numbers of a run as other benchmarks would report them."""
