"""What forbids comparing two deployments, and what a reader must be told where they are compared."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from llmdvfs.records.run import RunRecord

# The seeds that decide what is asked and when; others order and resample.
PROMPT_SEEDS = ("prompts", "arrivals")
# What may differ between two measurements without another machine being measured.
NOT_THE_MACHINE = frozenset({"host", "kernel", "memory_bytes"})


def num_gpus(runs: Sequence[RunRecord]) -> int | None:
    """Return how many GPUs a deployment occupies, 0 on a CPU; None: not known, or not the same in all launches."""
    counts = {_num_gpus_of(run) for run in runs}
    return counts.pop() if len(counts) == 1 else None


def differences(baseline: Sequence[RunRecord], other: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return every difference for which the comparison is refused, by name and value; empty: they are alike."""
    found = [_difference(name, fact, baseline, other) for name, fact in FACTS.items()]
    found += _workload_differences(baseline, other)
    found.append(_seed_difference(baseline, other))
    found.append(_gpu_difference(baseline, other))
    if num_gpus(baseline) is None or num_gpus(other) is None:
        found.append("number of GPUs: not known, or not the same in all launches")
    return tuple(text for text in found if text)


def caveats(baseline: Sequence[RunRecord], other: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return what a reader must know of a comparison that is made."""
    found: list[str] = []
    for runs in (baseline, other):
        run = runs[0]
        instances = len(run.server_start.instances)
        if run.deployment.device == "cpu" and instances > 1:
            which = "both" if instances == 2 else f"all {instances}"
            found.append(
                f"{run.deployment.id}: {which} instances share the host's CPUs: "
                f"they compete, as they would not on devices of their own"
            )
    if num_gpus(baseline) != num_gpus(other):
        found.append(
            f"{num_gpus(baseline)} against {num_gpus(other)} GPUs: rates and power are compared per GPU; "
            f"the fair baseline has as many GPUs (replicated or tensor_parallel)"
        )
    return tuple(found)


def unlike_gpus(runs: Iterable[RunRecord]) -> Iterator[str]:
    """Yield a sentence for each deployment whose launches ran on unlike GPUs, drivers or limits.

    Such launches are not one population.
    """
    kinds: dict[str, dict[str, set[int]]] = {}
    for run in runs:
        if (kind := _gpus(run)) is not None:
            kinds.setdefault(run.deployment.id, {}).setdefault(kind, set()).add(run.cell.launch)
    for deployment, seen in sorted(kinds.items()):
        if len(seen) > 1:
            each = "; ".join(f"{kind} in launches {', '.join(map(str, sorted(ks)))}" for kind, ks in seen.items())
            yield f"{deployment}: launches ran on unlike GPUs, so their spread is not of server starts alone: {each}"


def several_hosts(runs: Iterable[RunRecord]) -> Iterator[str]:
    """Yield a sentence for each deployment whose launches ran on several hosts, as after `merge-results`."""
    hosts: dict[str, dict[str, set[int]]] = {}
    for run in runs:
        if (host := run.hardware.get("host")) is not None:
            hosts.setdefault(run.deployment.id, {}).setdefault(str(host), set()).add(run.cell.launch)
    for deployment, seen in sorted(hosts.items()):
        if len(seen) > 1:
            each = "; ".join(f"{host}: launches {', '.join(map(str, sorted(ks)))}" for host, ks in sorted(seen.items()))
            yield (
                f"{deployment}: launches ran on {len(seen)} hosts, so their spread is not of server starts alone "
                f"(hosts by the hash of their name: {each})"
            )


def _gpus(run: RunRecord) -> str | None:
    """Return kinds, drivers and limits of the GPUs as they were found; None: the run does not say."""
    before = run.applied_point.before
    if not before:
        return None
    kinds = {
        f"{gpu.name}, driver {gpu.driver or 'unknown'}"
        + (f", {gpu.power_limit_w:g} W" if gpu.power_limit_w is not None else "")
        for gpu in before
    }
    return " + ".join(sorted(kinds))


def _gpu_difference(baseline: Iterable[RunRecord], other: Iterable[RunRecord]) -> str | None:
    """Name the GPUs where both sides say what theirs are and do not say the same."""
    ours, theirs = ({kind for run in runs if (kind := _gpus(run)) is not None} for runs in (baseline, other))
    if not ours or not theirs or ours == theirs:
        return None
    return f"GPUs: {'; '.join(sorted(ours))} against {'; '.join(sorted(theirs))}"


def _num_gpus_of(run: RunRecord) -> int | None:
    if run.deployment.device == "cpu":
        return 0
    devices = {device for instance in run.server_start.instances for device in instance.device_ids}
    return len(devices) or None


def _model(run: RunRecord) -> str:
    model = run.deployment.model
    return f"{model.name} ({model.source}{' ' + model.location if model.location else ''})"


def _dtype(run: RunRecord) -> str:
    return "+".join(sorted({engine.dtype or "auto" for engine in run.deployment.engine.values()}))


def _machine(run: RunRecord) -> str:
    own = sorted((name, value) for name, value in run.hardware.items() if name not in NOT_THE_MACHINE)
    return ", ".join(f"{name.replace('_', ' ')} {_in_words(value)}" for name, value in own) or "not recorded"


def _in_words(value: object) -> str:
    """Return a fact for readers: what is listed as `2 x H100 + 1 x A100`, in its order, and yes or no."""
    if isinstance(value, list | tuple):
        return " + ".join(f"{len(list(alike))} x {name}" for name, alike in groupby(value)) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


FACTS: dict[str, Callable[[RunRecord], str]] = {
    "model": _model,
    "dtype": _dtype,
    "vLLM": lambda run: run.server_start.engine_versions.get("vllm", "not recorded"),
    "device": lambda run: run.deployment.device,
    "machine": _machine,
}


def _difference(
    name: str, fact: Callable[[RunRecord], str], baseline: Iterable[RunRecord], other: Iterable[RunRecord]
) -> str | None:
    """Name the values where they are not one and the same in all launches of both sides."""
    seen = [sorted({fact(run) for run in runs}) for runs in (baseline, other)]
    if len({value for side in seen for value in side}) == 1:
        return None
    return f"{name}: {', '.join(seen[0])} against {', '.join(seen[1])}"


def _workload_differences(baseline: Sequence[RunRecord], other: Sequence[RunRecord]) -> list[str | None]:
    def fact(name: str) -> Callable[[RunRecord], str]:
        return lambda run: str(asdict(run.workload)[name])

    return [_difference(f"workload.{name}", fact(name), baseline, other) for name in asdict(baseline[0].workload)]


def _seed_difference(baseline: Sequence[RunRecord], other: Sequence[RunRecord]) -> str | None:
    """Seeds may differ between launches, but launch k must ask the same of both deployments."""
    ours, theirs = ({run.cell.launch: _prompt_seeds(run) for run in runs} for runs in (baseline, other))
    unlike = [launch for launch in sorted(ours.keys() & theirs.keys()) if ours[launch] != theirs[launch]]
    if not unlike:
        return None
    first = unlike[0]
    return f"seeds of launch {first}: {ours[first]} against {theirs[first]}"


def _prompt_seeds(run: RunRecord) -> dict[str, int]:
    return {name: seed for name, seed in run.seeds.items() if name.removeprefix("seed_") in PROMPT_SEEDS}
