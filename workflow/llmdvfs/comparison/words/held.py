"""The held time in words, for the end of a summary."""

from llmdvfs.records.comparison import HeldTime
from llmdvfs.records.counted import counted
from llmdvfs.records.progress import length_in_words

S_PER_H = 3600.0


def held_in_words(held: HeldTime) -> str:
    """Return how long servers, and GPUs where there are any, were held, and which share of it was measured load."""
    starts = counted(held.num_starts, "start")
    text = f"servers were held for {length_in_words(held.held_s)} in {starts}, {_share(held.load_s, held.held_s)}"
    if held.gpu_held_s == 0:
        return text
    gpu = _share(held.gpu_load_s, held.gpu_held_s)
    return f"{text}; GPUs for {held.gpu_held_s / S_PER_H:.2g} GPU hours, {gpu}"


def _share(load_s: float, held_s: float) -> str:
    return f"{load_s / held_s:.0%} of it measured load"
