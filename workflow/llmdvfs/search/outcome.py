"""How the search of a load stands, in a word and in a sentence."""

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from llmdvfs.answers.search import Found
from llmdvfs.records.search import SEARCHING, SearchedLoad, SearchSettings
from llmdvfs.search.cells import Cells


def ended(load: SearchedLoad, found: Mapping[str, Found], settings: SearchSettings, cells: Cells) -> SearchedLoad:
    """Return the load with the end of its search told: the clock of each role, its bound, and why it ended there."""
    reached = all(step.reason is None for step in found.values())
    sentences = [_sentence(role, step, settings) for role, step in found.items()]
    if not reached and (cell_s := _seconds_a_cell(load, cells)) is not None:
        sentences.append(f"a cell took {cell_s:.0f} s")
    return replace(load, state="target_reached" if reached else "budget_spent", text="; ".join(sentences))


def end_without_clocks(load: SearchedLoad, cells: Cells) -> SearchedLoad:
    """Return the load whose clocks could not be set, so that there is nothing to search."""
    reasons = sorted(
        {
            f"{run.applied_point.state.replace('_', ' ')}: {run.applied_point.reason or 'no reason recorded'}"
            for _, run in cells.of(load)
            if run.point.asks_for_something
        }
    )
    why = "; ".join(reasons) or "no cell with a clock has a result"
    text = f"no clock was set ({why}): python -m llmdvfs doctor says what this machine allows"
    return replace(load, state="no_clocks", text=text)


def _sentence(role: str, step: Found, settings: SearchSettings) -> str:
    low, high = step.near_mhz
    near = f"{role} {step.clock_mhz} MHz (not told apart from {low} to {high} MHz)"
    if step.reason is not None:
        return f"{near}: {step.reason}"
    bound = "0" if math.isclose(step.regret_bound, 0, abs_tol=5e-5) else f"{step.regret_bound:.2%}"
    return f"{near}: the regret bound is {bound}, under the target of {settings.target_regret_fraction:.2%}"


def _seconds_a_cell(load: SearchedLoad, cells: Cells) -> float | None:
    """Return the mean time from a cell's start to the end of its load; None: nothing has been measured."""
    times_s = [
        (run.load_end_mono_ns - run.started_mono_ns) / 1e9
        for step in load.rounds
        if step.kind in SEARCHING
        for _, run in cells.of(load, step)
    ]
    return fmean(times_s) if times_s else None
