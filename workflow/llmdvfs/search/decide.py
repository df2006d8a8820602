"""Decides the next round of a search, from what was decided and measured before. Pure: it reads and starts nothing.

All loads of a deployment go round by round together, so that they share server starts. Every round has launches of its
own and stock in each: energies are compared as ratios to stock of the same launch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmdvfs.answers.search import Found, Measure, next_step
from llmdvfs.plan.decided import with_cells_of
from llmdvfs.plan.study import Study
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.search import SEARCHING, SearchedLoad, SearchRecord, SearchRound, SearchSettings
from llmdvfs.search.cells import Cells
from llmdvfs.search.choose import chosen_points, clock_for_all, cross_points
from llmdvfs.search.outcome import end_without_clocks, ended
from llmdvfs.search.role import fastest_near, num_decided, point_of, reachable, searched_roles, tried_clocks


@dataclass(frozen=True, slots=True)
class _Steps:
    """What the planner says about each role of a load."""

    load: SearchedLoad
    by_role: dict[str, Measure | Found]
    """Role -> its next step; empty: nothing is to be searched any more."""
    is_without_clocks: bool = False
    """Whether clocks were asked for, and no cell was measured at any."""

    @property
    def found(self) -> dict[str, Found]:
        """Role -> where its search ended; empty while one of them goes on."""
        found = {role: step for role, step in self.by_role.items() if isinstance(step, Found)}
        return found if len(found) == len(self.by_role) else {}


def decide(study: Study, before: SearchRecord | None, cells: Cells) -> SearchRecord:
    """Return the record with the next round of every deployment whose decided cells are all finished.

    before: what was decided until now; a round of it is kept while the rounds before it are finished, so that nothing
    rests on a measurement that the configuration no longer asks for. Where all is done, the record stays as it is.
    """
    assert study.search is not None
    known = {}
    if before is not None and before.settings.sm_clock_mhz == study.search.sm_clock_mhz:
        known = {(load.deployment, load.workload): load for load in before.loads}
    is_settled = before is not None and before.settings == study.search
    loads: list[SearchedLoad] = []
    for deployment in study.deployments:
        own = [
            _kept(known.get((deployment, workload), SearchedLoad(deployment, workload)), study, cells)
            for workload in study.workloads
        ]
        is_waiting = any(_is_open(load, step, study, cells) for load in own for step in load.rounds)
        loads += own if is_waiting else _advanced(own, study, cells, is_settled=is_settled)
    return SearchRecord(study.search, tuple(loads))


def _is_open(load: SearchedLoad, step: SearchRound, study: Study, cells: Cells) -> bool:
    """Return whether a cell of the round is still to be measured."""
    alone = SearchRecord(_settings(study), (replace(load, rounds=(step,)),))
    return not (with_cells_of(study, alone).decided or frozenset()) <= cells.held


def _settings(study: Study) -> SearchSettings:
    assert study.search is not None
    return study.search


def _kept(load: SearchedLoad, study: Study, cells: Cells) -> SearchedLoad:
    """Return the load with its rounds up to the first that is not finished."""
    number = next((k for k, step in enumerate(load.rounds) if _is_open(load, step, study, cells)), len(load.rounds))
    return replace(load, rounds=load.rounds[: number + 1])


def _advanced(own: Sequence[SearchedLoad], study: Study, cells: Cells, *, is_settled: bool) -> list[SearchedLoad]:
    """Return a deployment's loads with their next round; the loads whose search has ended wait for the others.

    is_settled: the settings are those of the record, so that what is confirmed stays confirmed.
    """
    launch = 1 + max((number for load in own for step in load.rounds for number in step.launches), default=0)
    steps = [_steps(load, study, cells, is_settled=is_settled) for load in own]
    nexts = [_search_round(item, launch) for item in steps]
    if not any(nexts):
        nexts = [_cross_round(item, study, cells, launch) for item in steps]
    if not any(nexts):
        nexts = [_confirming_round(item, study, cells, launch) for item in steps]
    return [_with(item, new, _settings(study), cells) for item, new in zip(steps, nexts, strict=True)]


def _with(item: _Steps, new: SearchRound | None, settings: SearchSettings, cells: Cells) -> SearchedLoad:
    """Return the load with a further round, or with more launches of the confirming one, and with its state."""
    load = item.load
    if item.is_without_clocks:
        return end_without_clocks(load, cells)
    if item.found:
        load = ended(load, item.found, settings, cells)
    if new is None:
        return load
    is_longer = load.confirmation is not None and load.confirmation.chosen == new.chosen
    return replace(load, rounds=(*(load.rounds[:-1] if is_longer else load.rounds), new))


def _steps(load: SearchedLoad, study: Study, cells: Cells, *, is_settled: bool) -> _Steps:
    settings = _settings(study)
    if is_settled and load.confirmation is not None:
        return _Steps(load, {})
    roles = searched_roles(tuple(study.deployments[load.deployment].engine), study.workloads[load.workload].isolates)
    by_role: dict[str, Measure | Found] = {}
    for role in roles:
        allowed = reachable(load, role, cells, settings.sm_clock_mhz[role])
        tried = tried_clocks(load, role, cells, allowed)
        lost = num_decided(load, role) - len(tried)
        if tried or not lost:
            by_role[role] = next_step(tried, allowed, settings.target_regret_fraction, settings.max_cells - lost)
    return _Steps(load, by_role, is_without_clocks=not by_role)


def _search_round(item: _Steps, launch: int) -> SearchRound | None:
    measures = {role: step for role, step in item.by_role.items() if isinstance(step, Measure)}
    if not measures:
        return None
    points = tuple(point_of(role, clock) for role, step in measures.items() for clock in step.clocks_mhz)
    reason = "; ".join(f"{role}: {step.reason}" for role, step in measures.items())
    return SearchRound(next(iter(measures.values())).kind, (launch,), points, reason)


def _cross_round(item: _Steps, study: Study, cells: Cells, launch: int) -> SearchRound | None:
    """Return the round that measures both roles' clocks together; None: one role, or it was measured already."""
    kinds = [step.kind for step in item.load.rounds]
    newest_search = max((k for k, kind in enumerate(kinds) if kind in SEARCHING), default=-1)
    if len(item.found) < 2 or "cross" in kinds[newest_search:]:
        return None
    lowest = {role: found.clock_mhz for role, found in item.found.items()}
    fastest = {
        role: fastest_near(item.load, role, cells, _settings(study).sm_clock_mhz[role], clock)
        for role, clock in lowest.items()
    }
    points = cross_points(lowest, fastest)
    return SearchRound("cross", (launch,), points, "the clocks found role by role, set together")


def _confirming_round(item: _Steps, study: Study, cells: Cells, launch: int) -> SearchRound | None:
    """Return the launches that confirm what was found; None: they have been measured, or stock is the best."""
    asked = study.num_launches
    before = item.load.confirmation
    if before is not None:
        missing = asked - len(before.launches)
        further = tuple(range(launch, launch + missing))
        return replace(before, launches=(*before.launches, *further)) if further else None
    if not item.found:
        return None
    single = next(iter(item.found.items())) if len(item.found) == 1 else None
    measured = cells.of(item.load)
    chosen = chosen_points(measured, point_of(single[0], single[1].clock_mhz) if single else None)
    if not chosen:
        return None
    points: dict[str, OperatingPoint] = {point.id: point for point in chosen.values()}
    if single is None and (one_clock := clock_for_all(measured)) is not None:
        points[one_clock.id] = one_clock
    launches = tuple(range(launch, launch + asked))
    reason = "what the search found, in fresh launches"
    return SearchRound(
        "confirm", launches, tuple(points.values()), reason, {rule: point.id for rule, point in chosen.items()}
    )
