"""What two compared deployments have in common, and what sets them apart, by name and value."""

from collections.abc import Callable, Sequence

from llmdvfs.comparison.likeness import FACTS, num_gpus
from llmdvfs.records.run import RunRecord

Fact = Callable[[RunRecord], str]
ASKED_DIRECTLY = frozenset({"single", "tensor_parallel", "external"})


def _instances(run: RunRecord) -> str:
    return " + ".join(f"{count} {role}" for role, count in sorted(run.deployment.num_instances.items()))


def _engine(run: RunRecord) -> str:
    """Return the engine's settings where all roles have the same ones, else those of each role."""
    by_role = {role: repr(engine) for role, engine in run.deployment.engine.items()}
    return repr(by_role) if len(set(by_role.values())) > 1 else next(iter(by_role.values()), "")


def _route(run: RunRecord) -> str:
    """Return how requests reach the instances; one server, whose clients have nothing to choose, is asked directly."""
    return "direct" if run.deployment.architecture in ASKED_DIRECTLY else run.deployment.route


_DEPLOYMENT_FACTS: dict[str, Fact] = {
    "architecture": lambda run: run.deployment.architecture,
    "instances": _instances,
    "GPUs": lambda run: "unknown" if (count := num_gpus([run])) is None else str(count),
    "connector": lambda run: run.deployment.connector or "none",
    "balancer": lambda run: run.deployment.balancer,
    "route": _route,
}
_LOAD_FACTS: dict[str, Fact] = {
    "workload": lambda run: run.cell.workload,
    "operating point": lambda run: run.cell.point,
}


def held_equal(baseline: Sequence[RunRecord], other: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return `name value` for everything that is the same in all launches of both deployments."""
    return tuple(f"{name} {value}" for name, value in _equal(baseline, other).items())


def varied(baseline: Sequence[RunRecord], other: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return `name: baseline's against other's` for what the two deployments are built of and do not share."""
    equal = _equal(baseline, other)
    found = [
        f"{name}: {fact(baseline[0])} against {fact(other[0])}"
        for name, fact in _DEPLOYMENT_FACTS.items()
        if name not in equal
    ]
    if _engine(baseline[0]) != _engine(other[0]):
        found.append("engine settings: not the same (run.json has both)")
    return tuple(found)


def _equal(baseline: Sequence[RunRecord], other: Sequence[RunRecord]) -> dict[str, str]:
    facts = _LOAD_FACTS | FACTS | _DEPLOYMENT_FACTS
    seen = {name: {fact(run) for run in (*baseline, *other)} for name, fact in facts.items()}
    return {name: values.pop() for name, values in seen.items() if len(values) == 1}
