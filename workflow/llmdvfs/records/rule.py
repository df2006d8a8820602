"""The rules by which a point is chosen of those that were measured."""

from typing import Literal

Rule = Literal["lowest_energy", "fastest_within_2_percent", "fastest_within_5_percent", "within_limits"]
