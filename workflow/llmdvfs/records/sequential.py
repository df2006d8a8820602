"""How many launches a sequential study has come to (`sequential/decided.json`): a study reads their number there."""

from dataclasses import dataclass
from typing import Annotated, Literal

from llmdvfs.records.allowed import Allowed

SequentialState = Literal["adding", "narrow_enough", "most_launches"]


@dataclass(frozen=True, slots=True)
class SequentialSettings:
    """What a study asks of the intervals of its ratios."""

    half_width_fraction: Annotated[float, Allowed(above=0, maximum=1)]
    """What every interval may reach above its ratio, as a fraction of it (0.05: 5 %)."""
    max_launches: Annotated[int, Allowed(minimum=3, maximum=1000)] = 12
    """Launches after which it ends in any case."""
    metrics: Annotated[tuple[str, ...], Allowed(not_empty=True, unique=True)] = (
        "energy_per_output_token_j",
        "output_token_rate_per_s",
    )
    """Metrics whose intervals count, named as in comparison.csv; one that was not measured is passed over."""


@dataclass(frozen=True, slots=True)
class SequentialRecord:
    """How many launches have been decided so far, and how the study stands."""

    settings: SequentialSettings
    num_launches: int
    """The study has launches 1 to this one, measured or about to be."""
    state: SequentialState = "adding"
    text: str = ""
    """The widest interval in words; empty while nothing has been compared."""
