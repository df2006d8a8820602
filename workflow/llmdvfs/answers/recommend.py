"""Recommends a point for each answer, with the commands that apply, check and undo it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from llmdvfs.answers.observation import STOCK
from llmdvfs.answers.point_tables import Measured
from llmdvfs.records.answers import Answer, AnswersRecord, Choice, Recommendation, RecommendedClocks, Validity
from llmdvfs.records.point import GpuSetting
from llmdvfs.records.rule import Rule
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import LengthSpec

PREFERRED: tuple[Rule, ...] = ("within_limits", "fastest_within_5_percent")
"""Limits where the load has any; else the fastest clock within 5 % of the lowest energy: over public sweeps it keeps
most of the saving at two thirds of the slowdown."""


def recommend(record: AnswersRecord, measured: Sequence[Measured]) -> RecommendedClocks:
    """Return a recommendation for each answer that has a point to recommend, and what it was measured on."""
    runs = [run for _, run in measured]
    found = [_recommendation(answer, runs) for answer in record.answers]
    items = tuple(item for item in found if item is not None)
    return RecommendedClocks(items, _validity(runs), modelled=record.modelled)


def recommended(answer: Answer) -> Choice | None:
    """Return the choice that is recommended.

    None: no point keeps the limits, stock is the best measured, or what is saved cannot be told from nothing.
    """
    choice = preferred(answer)
    if choice.point in (None, STOCK) or may_save_nothing(choice):
        return None
    return choice


def preferred(answer: Answer) -> Choice:
    """Return the choice of the rule that recommendations follow: the one within limits where the load has any."""
    limited = any(point.within_limits is not None for point in answer.points)
    return next(choice for choice in answer.choices if choice.rule == PREFERRED[0 if limited else 1])


def may_save_nothing(choice: Choice) -> bool:
    """Return whether the interval of the saving reaches down to nothing; False where there is no interval to tell."""
    return choice.saving.low is not None and choice.saving.low <= 0


def _recommendation(answer: Answer, runs: Iterable[RunRecord]) -> Recommendation | None:
    choice = recommended(answer)
    if choice is None:
        return None
    point = next(point.point for point in answer.points if point.point.id == choice.point)
    run = next(
        run
        for run in runs
        if (run.cell.deployment, run.cell.workload, run.point.id) == (answer.deployment, answer.workload, point.id)
    )
    settings = run.applied_point.settings or point.of_gpus(run.server_start.gpus_of_role())
    return Recommendation(
        deployment=answer.deployment,
        workload=answer.workload,
        phase=answer.phase,
        batch_size=answer.batch_size,
        rule=choice.rule,
        point=point,
        gpus_of_role={role: tuple(gpus) for role, gpus in run.server_start.gpus_of_role().items()},
        saving=choice.saving,
        slowdown=choice.slowdown,
        basis=choice.basis,
        flags=answer.flags,
        apply=tuple(command for setting in settings for command in _apply(setting)),
        check=tuple(
            f"nvidia-smi -i {setting.index} --query-gpu=clocks.sm,clocks.mem,power.limit --format=csv"
            for setting in settings
        ),
        undo=tuple(command for setting in settings for command in _undo(setting, run)),
    )


def _apply(setting: GpuSetting) -> Iterator[str]:
    if (sm_range := setting.sm_clock_range_mhz) is not None:
        yield f"nvidia-smi -i {setting.index} --lock-gpu-clocks={sm_range[0]},{sm_range[1]}"
    if (clock := setting.memory_clock_mhz) is not None:
        yield f"nvidia-smi -i {setting.index} --lock-memory-clocks={clock},{clock}"
    if setting.power_limit_w is not None:
        yield f"nvidia-smi -i {setting.index} --power-limit={setting.power_limit_w:g}"


def _undo(setting: GpuSetting, run: RunRecord) -> Iterator[str]:
    """Yield the commands back to the state before; a power limit has no reset, so the limit found before is set."""
    if setting.sm_clock_mhz is not None:
        yield f"nvidia-smi -i {setting.index} --reset-gpu-clocks"
    if setting.memory_clock_mhz is not None:
        yield f"nvidia-smi -i {setting.index} --reset-memory-clocks"
    if setting.power_limit_w is not None:
        before = {gpu.index: gpu.power_limit_w for gpu in run.applied_point.before}.get(setting.index)
        watts = f"{before:g}" if before is not None else "DEFAULT_LIMIT_IN_WATTS"
        yield f"nvidia-smi -i {setting.index} --power-limit={watts}"


def _validity(runs: Sequence[RunRecord]) -> Validity:
    identities = [gpu for run in runs for gpu in run.applied_point.before]
    newest = max((run.started_unix_s for run in runs), default=None)
    return Validity(
        gpus=_each(gpu.name for gpu in identities),
        drivers=_each(gpu.driver for gpu in identities),
        engines=_each(f"vLLM {version}" for run in runs if (version := run.server_start.engine_versions.get("vllm"))),
        models=_each(run.deployment.model.name for run in runs),
        lengths=_each(f"{run.workload.id}: {_lengths(run)}" for run in runs),
        measured_on=datetime.fromtimestamp(newest, UTC).date().isoformat() if newest is not None else None,
    )


def _lengths(run: RunRecord) -> str:
    prompts = run.workload.prompts
    return f"{_words(prompts.prompt_tokens)} prompt tokens, {_words(prompts.output_tokens)} output tokens"


def _words(length: LengthSpec | None) -> str:
    if length is None:
        return "the data set's"
    if length.value is not None:
        return str(length.value)
    if length.mean is not None:
        return f"{length.mean:g} (mean)"
    return f"{length.low}-{length.high}"


def _each(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if text}))
