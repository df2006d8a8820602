"""Answers as text: a table of all points, and in plain words why a clock was chosen."""

from collections.abc import Iterator

from llmdvfs.answers.observation import STOCK
from llmdvfs.answers.recommend import may_save_nothing, preferred, recommended
from llmdvfs.records.answers import Answer, AnsweredPoint, AnswersRecord, Choice
from llmdvfs.records.modelled import MODELLED_NOTE
from llmdvfs.records.result import Estimate

UNITS = {"prompt_token": "prompt token", "output_token": "output token", "request": "request"}
TIMES = {"ttft_mean": "TTFT", "tpot_mean": "TPOT", "e2e_mean": "E2E latency"}
RULES = {
    "lowest_energy": "lowest energy",
    "fastest_within_2_percent": "fastest within 2 % of it",
    "fastest_within_5_percent": "fastest within 5 % of it",
    "within_limits": "lowest energy within the latency limits",
}
BASES = {
    "confirming_launches": "measured in launches that the choice did not see",
    "left_out_launches": "each launch judged the choice that the others made",
    "same_launches": "read off the launches that chose it, which flatters it",
    "none": "not measured",
}


def table(record: AnswersRecord) -> str:
    """Return every answer as a table of its points, its choices and its flags."""
    parts = [MODELLED_NOTE] if record.modelled else []
    parts += ["\n".join(_answer_lines(answer)) for answer in record.answers]
    parts += [f"no answer for {reason}" for reason in record.refused]
    return "\n\n".join(parts) + "\n" if parts else "no operating points were measured\n"


def _answer_lines(answer: Answer) -> Iterator[str]:
    units = f"per {UNITS[answer.energy_per]}, {TIMES[answer.time_of]}"
    yield f"{answer.deployment} / {answer.workload} ({answer.phase}): {units}"
    yield f"  {'point':<20} {'held MHz':>18} {'launches':>8}  {'energy / stock':<24} {'time / stock':<24} marks"
    for point in answer.points:
        held = ", ".join(f"{role} {clock:.0f}" for role, clock in point.held_sm_clock_mhz.items()) or "-"
        marks = [
            "Pareto" if point.pareto else "",
            "= best" if point.ties_with_best else "",
            "breaks a limit" if point.breaks_a_limit else "",
            "limit not judged" if is_unjudged(point) else "",
        ]
        yield (
            f"  {point.point.id:<20} {held:>18} {point.num_launches:>8}  {_ratio(point.energy_ratio):<24} "
            f"{_ratio(point.time_ratio):<24} {', '.join(mark for mark in marks if mark)}"
        ).rstrip()
    for choice in answer.choices:
        yield f"  {RULES[choice.rule]}: {_choice(choice)}"
    for flag in answer.flags:
        yield f"  {flag.name}: {flag.text}"


def explain(record: AnswersRecord) -> str:
    """Return, for each load, what to set and why, in whole sentences."""
    parts = [f"{MODELLED_NOTE}."] if record.modelled else []
    parts += [" ".join(_sentences(answer)) for answer in record.answers]
    parts += [f"There is no answer for {reason}." for reason in record.refused]
    return "\n\n".join(parts) + "\n"


def _sentences(answer: Answer) -> Iterator[str]:
    yield f"{answer.deployment} at {answer.workload}:"
    choice, lowest = recommended(answer), answer.choices[0]
    num_points = len(answer.points)
    if choice is None or choice.point is None:
        yield from _why_nothing(answer, lowest)
    else:
        yield (
            f"run it at {choice.point}, the {RULES[choice.rule].replace(' of it', ' of the lowest energy')} of the "
            f"{num_points} points measured. It saves {_percent(choice.saving)} of the energy per "
            f"{UNITS[answer.energy_per]} against stock, and changes {TIMES[answer.time_of]} by "
            f"{_percent(choice.slowdown)} ({BASES[choice.basis]})."
        )
        if lowest.point != choice.point:
            yield (
                f"The lowest energy is at {lowest.point}, which saves {_percent(lowest.saving)} and changes "
                f"{TIMES[answer.time_of]} by {_percent(lowest.slowdown)}."
            )
        yield from _idle_sentence(answer, choice.point)
        ties = [point.point.id for point in answer.points if point.ties_with_best]
        if len(ties) > 1:
            yield f"In energy {', '.join(ties)} cannot be told apart from the lowest."
    for point in answer.points:
        if point.breaks_a_limit:
            yield f"{point.point.id} is out: {point.limits_reason}."
    unjudged = [point for point in answer.points if is_unjudged(point)]
    if unjudged:
        named = ", ".join(point.point.id for point in unjudged)
        yield f"Of {named} it cannot be told whether they keep the limits: {unjudged[0].limits_reason}."
    if answer.search is not None:
        yield f"The search ended so: {answer.search}."
    for flag in answer.flags:
        yield f"Mind ({flag.name}): {flag.text}."


def is_unjudged(point: AnsweredPoint) -> bool:
    """Return whether the load has limits and it is not known whether the point keeps them."""
    return point.within_limits is False and not point.breaks_a_limit


def _idle_sentence(answer: Answer, name: str) -> Iterator[str]:
    """Say what a lock does to an idle GPU, where that was measured at both points."""
    idle_w = {point.point.id: point.details.idle_at_point_w for point in answer.points if point.details is not None}
    own, stock = idle_w.get(name), idle_w.get(STOCK)
    if own is not None and stock is not None:
        yield f"With the model loaded and nothing to do it draws {own:.0f} W there, {stock:.0f} W at stock."


def _why_nothing(answer: Answer, lowest: Choice) -> Iterator[str]:
    limited = next(choice for choice in answer.choices if choice.rule == "within_limits")
    if limited.point is None and any(point.within_limits is not None for point in answer.points):
        yield f"nothing is recommended: {limited.reason}."
    elif preferred(answer).point != STOCK and may_save_nothing(preferred(answer)):
        choice = preferred(answer)
        yield (
            f"leave the clocks alone: what {choice.point}, the {RULES[choice.rule]}, saves cannot be told from nothing "
            f"({_percent(choice.saving)})."
        )
    else:
        yield (
            f"leave the clocks alone: of the {len(answer.points)} points measured, stock is the one to take"
            + ("." if lowest.point == STOCK else f"; the lowest energy is at {lowest.point}.")
        )


def _choice(choice: Choice) -> str:
    if choice.point is None:
        return f"none ({choice.reason})"
    return (
        f"{choice.point}, saves {_percent(choice.saving)}, time {_percent(choice.slowdown, signed=True)} "
        f"({BASES[choice.basis]})"
    )


def _ratio(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _percent(estimate: Estimate, *, signed: bool = False) -> str:
    if estimate.value is None:
        return "not measured"
    shown = f"{estimate.value:+.1%}" if signed else f"{estimate.value:.1%}"
    if estimate.low is None or estimate.high is None:
        return f"{shown} (no interval: one launch)"
    return f"{shown} [{estimate.low:.1%}, {estimate.high:.1%}]"
