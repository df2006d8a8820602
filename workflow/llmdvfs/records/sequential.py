"""How many launches a sequential study has come to (`sequential/decided.json`): a study reads their number there."""

from dataclasses import dataclass
from typing import Literal

SequentialState = Literal["adding", "narrow_enough", "most_launches"]


@dataclass(frozen=True, slots=True)
class SequentialSettings:
    """What a study asks of the intervals of its ratios."""

    half_width_fraction: float
    """Launches are added until no 95 % interval reaches further above its ratio than this, as a fraction of it."""
    max_launches: int
    """Number of launches after which the study ends in any case."""
    metrics: tuple[str, ...]
    """Names in METRICS whose intervals have to be narrow."""


@dataclass(frozen=True, slots=True)
class SequentialRecord:
    """How many launches have been decided so far, and how the study stands."""

    settings: SequentialSettings
    num_launches: int
    """The study has launches 1 to this one, measured or about to be."""
    state: SequentialState = "adding"
    text: str = ""
    """The widest interval in words; empty while nothing has been compared."""
