"""Answers as flat rows, one a point, for spreadsheets."""

from collections.abc import Iterator
from dataclasses import asdict

from llmdvfs.records.answers import AnswersRecord, PointDetails


def answer_rows(record: AnswersRecord) -> Iterator[dict[str, object]]:
    """Yield a row for each point of each answer; ratios are to stock, in launches that have both."""
    for answer in record.answers:
        chosen = {choice.point: choice.rule for choice in reversed(answer.choices)}
        for point in answer.points:
            row: dict[str, object] = {
                "deployment": answer.deployment,
                "workload": answer.workload,
                "phase": answer.phase,
                "batch_size": answer.batch_size,
                "point": point.point.id,
                "energy_per": answer.energy_per,
                "time_of": answer.time_of,
                "num_launches": point.num_launches,
                "energy_j": point.energy_j,
                "time_s": point.time_s,
            }
            row |= {f"held_{role}_sm_clock_mhz": clock for role, clock in point.held_sm_clock_mhz.items()}
            for name in ("energy", "time", "energy_delay", "energy_delay_squared"):
                estimate = getattr(point, f"{name}_ratio")
                row |= {
                    f"{name}_ratio": estimate.value,
                    f"{name}_ratio_low": estimate.low,
                    f"{name}_ratio_high": estimate.high,
                }
            row |= {} if point.details is None else _details(point.details)
            row |= {
                "within_limits": point.within_limits,
                "limits_judged": point.limits_judged,
                "pareto": point.pareto,
                "ties_with_best": point.ties_with_best,
                "chosen_by": chosen.get(point.point.id),
                "modelled": record.modelled,
            }
            yield row


def _details(details: PointDetails) -> dict[str, object]:
    columns = asdict(details)
    failed = columns.pop("failed_gates")
    return columns | {"failed_gates": " ".join(failed)}
