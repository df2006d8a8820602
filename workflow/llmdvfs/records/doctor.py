"""Records of `doctor`: what was seen of a machine, and what stands in the way of a study there."""

from dataclasses import dataclass
from typing import Literal

CheckStatus = Literal["ok", "warning", "problem"]
"""problem: the study cannot run; warning: it can, with less exact or less complete results."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was seen, and what to do about it."""

    name: str
    status: CheckStatus
    seen: str
    advice: str = ""
    """What to do; empty where it is ok."""


@dataclass(frozen=True, slots=True)
class DoctorRecord:
    """All checks of one configuration on one machine."""

    configuration: str
    checks: tuple[Check, ...]

    @property
    def num_problems(self) -> int:
        """Return how many checks say that the study cannot run."""
        return sum(check.status == "problem" for check in self.checks)
