"""Python's garbage collector in stages that hold millions of objects, which it would look at again and again."""

import gc

YOUNG = (
    100_000  # new objects after which the youngest are looked at; Python's own 700 take a tenth of a large cell's time
)


def collect_seldom() -> None:
    """Have the collector look at young objects seldom; what is not in a cycle is freed at once all the same."""
    gc.set_threshold(YOUNG, 20, 20)
