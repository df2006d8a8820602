"""What a run is to measure and how long that should take: `jobs/progress.json`, written when a run starts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExpectedCell:
    """One cell that was missing when the run started."""

    key: str
    expected_s: float
    """Time from one idle window to the next: as long as it took in earlier launches, else as its workload says."""
    num_gpus: int


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Every cell that was missing, in the order of the benchmark jobs."""

    started_unix_s: float
    cells: tuple[ExpectedCell, ...]


def length_in_words(length_s: float) -> str:
    """Return a length of time as a person says it: `40 s`, `14 min`, `2 h 05 min`."""
    if length_s < 60:
        return f"{length_s:.0f} s"
    minutes = round(length_s / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
