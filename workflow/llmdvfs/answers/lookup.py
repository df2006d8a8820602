"""Table for schedulers: deployment, phase, and batch size or rate -> the clocks to run at."""

from collections.abc import Iterable, Iterator

from llmdvfs.answers.observation import STOCK
from llmdvfs.answers.recommend import recommended
from llmdvfs.records.answers import Answer, LookupRow
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.result import Estimate


def lookup_table(answers: Iterable[Answer]) -> tuple[LookupRow, ...]:
    """Return a row for each answer, in the order in which a scheduler looks.

    Where nothing is recommended the row says stock, with a saving of exactly nothing: clocks are left alone.
    """
    rows = [_row(answer) for answer in answers]
    return tuple(
        sorted(rows, key=lambda row: (row.deployment, row.phase, row.batch_size or 0, row.rate_rps or 0, row.workload))
    )


def _row(answer: Answer) -> LookupRow:
    choice = recommended(answer)
    points = {point.point.id: point.point for point in answer.points}
    nothing = Estimate(0.0, 0.0, 0.0)
    return LookupRow(
        deployment=answer.deployment,
        workload=answer.workload,
        phase=answer.phase,
        batch_size=answer.batch_size,
        rate_rps=answer.rate_rps,
        point=points[choice.point] if choice is not None and choice.point is not None else OperatingPoint(STOCK),
        saving=nothing if choice is None else choice.saving,
        slowdown=nothing if choice is None else choice.slowdown,
        flags=tuple(dict.fromkeys(flag.name for flag in answer.flags)),
    )


def lookup_rows(table: Iterable[LookupRow], *, modelled: bool = False) -> Iterator[dict[str, object]]:
    """Yield the table's rows flat, for a CSV file; an empty clock or limit is to be left as the GPU has it.

    modelled: whether the rows are of a GPU that is a formula, which they then say (records/modelled.py).
    """
    for row in table:
        flat: dict[str, object] = {
            "deployment": row.deployment,
            "phase": row.phase,
            "batch_size": row.batch_size,
            "rate_rps": row.rate_rps,
            "workload": row.workload,
            "point": row.point.id,
        }
        for quantity in ("sm_clock_mhz", "sm_clock_min_mhz", "memory_clock_mhz", "power_limit_w"):
            settings = getattr(row.point, quantity)
            flat |= {f"{role}_{quantity}": settings.get(role) for role in ("single", "prefill", "decode")}
        for name, estimate in (("saving", row.saving), ("slowdown", row.slowdown)):
            flat |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        yield flat | {"flags": " ".join(row.flags), "modelled": modelled}
