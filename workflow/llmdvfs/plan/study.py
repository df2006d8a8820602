"""Turns a complete configuration into records: what is deployed, what is asked, at which clocks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmdvfs.architectures.architecture import ArchitectureChoice
from llmdvfs.architectures.table import architecture_named, parse_architecture
from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.connectors.table import resolve_connector
from llmdvfs.connectors.version import version_tuple
from llmdvfs.errors import ConfigError
from llmdvfs.inputs.traces.table import trace_format_named
from llmdvfs.plan.hosts import check_hosts, exporter_specs, host_specs
from llmdvfs.plan.points import operating_points
from llmdvfs.plan.search import search_settings
from llmdvfs.plan.sequential import decided_launches, sequential_settings
from llmdvfs.plan.side_by_side import check_side_by_side
from llmdvfs.plan.study_file import StudySettings
from llmdvfs.plan.tokenizers import check_tokenizers
from llmdvfs.plan.under_load import is_under_load, with_stock_repeats
from llmdvfs.records.counted import counted
from llmdvfs.records.forecast import Budget
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.made import DrawnCells
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.search import SearchSettings
from llmdvfs.records.sequential import SequentialSettings
from llmdvfs.records.spec import (
    ArrivalSpec,
    CellId,
    DeploymentSpec,
    Device,
    EngineSpec,
    LengthSpec,
    ModelSpec,
    PromptSpec,
    SloSpec,
    StartSettings,
    WorkloadSpec,
)

MAX_REQUESTS = 2_000_000  # a cell: client and analysis keep a kilobyte or more of each request
DATA_SETS = ("bbh", "sharegpt", "jsonl")
"""Sources of prompts that may have answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study(StudySettings):
    """Everything that one configuration asks for: deployments, workloads and points by their ids, and settings."""

    results: Path
    num_launches: int
    deployments: dict[str, DeploymentSpec]
    workloads: dict[str, WorkloadSpec]
    points: dict[str, OperatingPoint]
    settings: MeasureSettings
    gates: dict[str, float]
    engine_versions: dict[str, str]
    remeasure: str
    search: SearchSettings | None
    """What decides the points, round by round; None: they are listed."""
    budget: Budget
    """The most that the study may take."""
    sequential: SequentialSettings | None
    """What decides the number of launches; None: it is given."""
    drawn_cells: DrawnCells
    """The cells of which figures are drawn."""
    decided: frozenset[CellId] | None = None
    """The cells that a search has decided so far; None: every workload at every point in every launch."""

    @property
    def launches(self) -> range:
        """Return the numbers of all launches, from 1."""
        highest = max((cell.launch for cell in self.decided or ()), default=0)
        if self.decided is not None:
            return range(1, highest + 1)
        return range(self.first_launch, self.first_launch + self.num_launches)


def make_study(config: Mapping[str, Any], look_up_engine: Callable[[str | None], Mapping[str, str]]) -> Study:
    """Return the study of a configuration that `complete_config` returned.

    look_up_engine: returns {"vllm": ..., "torch": ..., "python": ...} for the path of a Python (None: this one); it is
    not called where every deployment is somebody else's endpoint. Raises ConfigError where keys that are right by
    themselves do not fit together.
    """
    if config["strict_launches"] and config["measure"]["fresh_servers"]:
        raise ConfigError(
            "strict_launches: true: expected false, since measure.fresh_servers starts new servers for every cell"
        )
    _check_measure(config["measure"], config["tolerate_failed_cells"])
    if config["baseline"] is not None and config["baseline"] not in config["architectures"]:
        raise ConfigError(
            f"baseline: {config['baseline']!r}: expected one of architectures, {config['architectures']}, "
            "or null for the simplest"
        )
    if config["first_launch"] > 1 and (config["search"] or config["sequential"]):
        decider = "search" if config["search"] else "sequential"
        raise ConfigError(
            f"first_launch: {config['first_launch']}: expected 1 beside {decider}, which numbers its launches itself"
        )
    _check_route(config)
    external = set(config["architectures"]) == {"external"}
    versions = {} if external else dict(look_up_engine(config["serving"]["python"]))
    models = [_model(name, given) for name, given in config["models"].items()]
    deployments = [_deployment(text, model, config, versions) for text in config["architectures"] for model in models]
    workloads = [_workload(name, given) for name, given in config["workloads"].items()]
    settings = MeasureSettings(**config["telemetry"], **config["measure"])
    sequential = sequential_settings(config)
    results, num_launches = Path(config["results"]), config["launches"]
    points = operating_points(config)
    check_side_by_side(settings, config["device"], config["serving"]["gpus"], points)
    check_hosts(deployments, settings, points, config["serving"]["gpus"])
    if any(is_under_load(workload, settings) for workload in workloads):
        points = with_stock_repeats(points)
    _check_twins(deployments)
    _check_lengths(workloads, deployments)
    check_tokenizers(workloads, models)
    _check_roles(points, deployments)
    return Study(
        **{item.name: config[item.name] for item in fields(StudySettings)},
        results=results,
        num_launches=decided_launches(results, sequential, num_launches) if sequential else num_launches,
        deployments={item.id: item for item in deployments},
        workloads={item.id: item for item in workloads},
        points={item.id: item for item in points},
        settings=settings,
        gates=dict(config["gates"]),
        engine_versions=versions,
        remeasure=str(config["remeasure"]),
        budget=Budget(**config["budget"], is_confirmed=config["over_budget"]),
        sequential=sequential,
        search=search_settings(config, points, deployments),
        drawn_cells=config["figures"]["cells"],
    )


def _check_measure(given: Mapping[str, Any], tolerates_failures: bool) -> None:
    """Refuse settings of the measurement that contradict each other."""
    if given["points_under_load"] and given["fresh_servers"]:
        raise ConfigError(
            "measure.points_under_load: true: expected false, since measure.fresh_servers starts new servers for every "
            "cell"
        )
    if given["points_under_load"] and given["soak"]:
        raise ConfigError(
            f"measure.soak: {given['soak']}: expected null beside points_under_load, whose one load warms the GPUs by "
            "itself and returns to stock again and again"
        )
    if given["skip_cap_bound"] and not given["points_under_load"]:
        raise ConfigError("measure.skip_cap_bound: true: expected beside points_under_load: its sweep has the probe")
    if given["half_width_fraction"] is not None and not given["points_under_load"]:
        raise ConfigError(
            f"measure.half_width_fraction: {given['half_width_fraction']}: expected beside points_under_load, whose "
            "windows can end while the load goes on"
        )
    if given["idle_at_points_s"] is not None and not given["points_under_load"]:
        raise ConfigError(
            f"measure.idle_at_points_s: {given['idle_at_points_s']}: expected beside points_under_load: a cell a point "
            "has idle windows at its own point"
        )
    if given["skip_cap_bound"] and not tolerates_failures:
        raise ConfigError(
            "measure.skip_cap_bound: true: expected tolerate_failed_cells: true, since a point that is skipped has no "
            "measurement"
        )


def _check_twins(deployments: list[DeploymentSpec]) -> None:
    """Refuse two spellings of one deployment: it would be measured twice, and compared with itself."""
    for number, second in enumerate(deployments):
        for first in deployments[:number]:
            if replace(first, id="") == replace(second, id=""):
                names = [item.id.removesuffix(f"_{item.model.name}") for item in (first, second)]
                raise ConfigError(
                    f"architectures: {names[0]!r} and {names[1]!r} are two names of one deployment; expected each once"
                )


def _model(name: str, given: Mapping[str, Any]) -> ModelSpec:
    if given["source"] != "tiny" and not given["location"]:
        what = {"path": "a folder", "hub": "a hub name", "shape": "a shape's name"}[given["source"]]
        raise ConfigError(f"models.{name}.location: '': expected {what}, since source is {given['source']!r}")
    return ModelSpec(name, given["source"], given["location"], given["served_name"])


def _deployment(
    name: str, model: ModelSpec, config: Mapping[str, Any], engine_versions: Mapping[str, str]
) -> DeploymentSpec:
    with _about("architectures"):
        choice = parse_architecture(name)
    serving = config["serving"]
    device: Device = "external" if choice.name == "external" else config["device"]
    if device == "external" and not serving["base_url"]:
        raise ConfigError("serving.base_url: null: expected the endpoint's URL, since architectures names `external`")
    if serving["base_url"]:
        _check_address(serving["base_url"])
    roles = list(choice.num_instances)
    engine = {role: _engine(serving["engine"], serving["engine_by_role"].get(role, {}), choice) for role in roles}
    gpus = serving["gpus"]
    connector = None
    if "prefill" in choice.num_instances:
        wanted = serving["connector"] if choice.connector in (None, "auto") else choice.connector
        with _about("serving.connector" if wanted == serving["connector"] else "architectures"):
            connector = resolve_connector(wanted, version_tuple(engine_versions["vllm"]), device)
    spec = DeploymentSpec(
        id=f"{name}_{model.name}",
        architecture=choice.name,
        model=model,
        device=device,
        engine=engine,
        num_instances=dict(choice.num_instances),
        connector=connector,
        gpu_indices=None if gpus is None else tuple(gpus),
        **(
            {item.name: serving[item.name] for item in fields(StartSettings)}
            | {
                "hosts": host_specs(serving["hosts"]),
                "exporters": exporter_specs(serving["exporters"], choice.name),
                "route": serving["route"] if _has_router(choice) else "proxy",
            }
        ),
    )
    if spec.num_gpus and gpus is not None and len(gpus) < spec.num_gpus:
        raise ConfigError(
            f"serving.gpus: {gpus}: {name} needs {counted(spec.num_gpus, 'GPU')}; name more, or null for free ones"
        )
    return spec


def _has_router(choice: ArchitectureChoice) -> bool:
    """Return whether somebody has to choose where a request goes; one instance is asked directly, whatever is said."""
    return architecture_named(choice.name).front_door != "none"


def _check_route(config: Mapping[str, Any]) -> None:
    """Refuse a direct route where there is nothing to choose from, or beside a port for the proxy."""
    if config["serving"]["route"] == "proxy":
        return
    if (port := config["serving"]["proxy_port"]) is not None:
        raise ConfigError(f"serving.proxy_port: {port}: expected null beside serving.route: direct, which has no proxy")
    for text in config["architectures"]:
        with _about("architectures"):
            if _has_router(parse_architecture(text)):
                return
    raise ConfigError(
        f"serving.route: 'direct': expected an architecture of several instances in {list(config['architectures'])}: "
        "one server is asked directly anyway; leave the key out, or add replicated-N or disaggregated"
    )


def _check_address(url: str) -> None:
    """Refuse a URL of which no address can be read: a port beyond 65535, a bracket that is not closed."""
    try:
        host, port = urlsplit(url).hostname, urlsplit(url).port
        if not host or port == 0:
            raise ValueError("no host, or port 0")
    except ValueError as error:
        raise ConfigError(
            f"serving.base_url: {url!r}: {error}; expected scheme, host and port, as in http://127.0.0.1:8000"
        ) from error


@contextmanager
def _about(key: str) -> Iterator[None]:
    """Name the key in the refusals of a block."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from error


def _engine(common: Mapping[str, Any], own: Mapping[str, Any], choice: ArchitectureChoice) -> EngineSpec:
    given = {**common, **own}
    given.setdefault("tensor_parallel_size", choice.tensor_parallel_size)
    given["extra_args"] = tuple(given.get("extra_args", ()))
    given["env"] = {**common.get("env", {}), **own.get("env", {})}
    return EngineSpec(**given)


def _length(given: int | Mapping[str, Any] | None, key: str) -> LengthSpec | None:
    if given is None:
        return None
    spec = LengthSpec(kind="fixed", value=given) if isinstance(given, int) else LengthSpec(**given)
    needs = {"fixed": ("value",), "uniform": ("low", "high"), "normal": ("mean", "sd"), "trace": ()}[spec.kind]
    for name in needs:
        if getattr(spec, name) is None:
            raise ConfigError(f"{key}: {given}: kind {spec.kind!r} needs {' and '.join(needs)}")
    if spec.low is not None and spec.high is not None and spec.low > spec.high:
        raise ConfigError(f"{key}: low {spec.low} is above high {spec.high}; expected low <= high")
    return spec


def _workload(name: str, given: Mapping[str, Any]) -> WorkloadSpec:
    key = f"workloads.{name}"
    prompts = dict(given["prompts"])
    output_tokens = _length(prompts.pop("output_tokens"), f"{key}.prompts.output_tokens")
    prompt_tokens = _length(prompts.pop("prompt_tokens", None), f"{key}.prompts.prompt_tokens")
    assert output_tokens is not None  # required by the schema
    arrival = ArrivalSpec(**{**given["arrival"], "wave_sizes": tuple(given["arrival"]["wave_sizes"])})
    rest = {field.name: given[field.name] for field in fields(WorkloadSpec) if field.name in given}
    spec = WorkloadSpec(
        **{
            **rest,
            "id": name,
            "prompts": PromptSpec(prompt_tokens=prompt_tokens, output_tokens=output_tokens, **prompts),
            "arrival": arrival,
            "slo": SloSpec(**given["slo"]),
        }
    )
    _check_arrival(spec, key)
    _check_prompts(spec, key)
    return spec


def _check_arrival(spec: WorkloadSpec, key: str) -> None:
    kind = arrival_kind(spec.arrival.kind)
    for name in kind.needs:
        if not getattr(spec.arrival, name):
            raise ConfigError(f"{key}.arrival.{name}: null: expected a value, since arrival.kind is {kind.name!r}")
    taken = {"kind", *kind.needs, *kind.options}
    for item in fields(ArrivalSpec):
        value = getattr(spec.arrival, item.name)
        if item.name not in taken and value != item.default:
            raise ConfigError(
                f"{key}.arrival.{item.name}: {value}: not used by arrival.kind {kind.name!r}, which takes "
                f"{', '.join(sorted(taken - {'kind'}))}; leave it out or take another kind"
            )
    if not kind.ends_by_itself and spec.num_requests is None and spec.duration_s is None:
        raise ConfigError(f"{key}: neither num_requests nor duration_s: expected one of them, to know when to end")
    if spec.min_requests is not None and (spec.arrival.kind != "closed" or spec.duration_s is None):
        raise ConfigError(
            f"{key}.min_requests: {spec.min_requests}: expected only beside duration_s, with arrival.kind 'closed': it "
            "lets a closed loop go on after duration_s"
        )
    if spec.max_duration_s is not None and (spec.min_requests is None or spec.max_duration_s < (spec.duration_s or 0)):
        raise ConfigError(
            f"{key}.max_duration_s: {spec.max_duration_s:g}: expected at least duration_s, and beside min_requests, "
            "which it bounds"
        )
    if (rates := [rate for rate in (spec.arrival.rate_rps, spec.arrival.end_rate_rps) if rate]) and spec.duration_s:
        expected = max(rates) * spec.duration_s
        if min(expected, spec.num_requests or expected) > MAX_REQUESTS:
            raise ConfigError(
                f"{key}.duration_s: {spec.duration_s:g}: {expected:.0f} requests at {max(rates):g}/s: expected up "
                f"to {MAX_REQUESTS}, which are kept whole; shorten it, or set num_requests"
            )
    if kind.needs_duration and spec.duration_s is None:
        raise ConfigError(
            f"{key}.duration_s: null: expected the time of the load, since arrival.kind is {kind.name!r}: {kind.what}"
        )


def _check_prompts(spec: WorkloadSpec, key: str) -> None:
    prompts = spec.prompts
    if prompts.source in DATA_SETS and not prompts.path:
        raise ConfigError(f"{key}.prompts.path: null: expected the data set's file, since source is {prompts.source!r}")
    if prompts.source in ("random", "shared_prefix") and prompts.prompt_tokens is None:
        raise ConfigError(f"{key}.prompts.prompt_tokens: null: expected a length, since source is {prompts.source!r}")
    if prompts.source == "shared_prefix" and not (prompts.num_prefixes and prompts.prefix_tokens):
        raise ConfigError(f"{key}.prompts: shared_prefix needs num_prefixes and prefix_tokens")
    _check_lengths_of_data(spec, key)
    if spec.isolates == "prefill" and (prompts.output_tokens.kind, prompts.output_tokens.value) != ("fixed", 1):
        raise ConfigError(f"{key}.isolates: 'prefill': expected prompts.output_tokens = 1 (max_tokens = 1)")
    if spec.isolates == "decode" and _longest(prompts.output_tokens) == 1:
        raise ConfigError(f"{key}.isolates: 'decode': expected prompts.output_tokens of 2 or more")
    if prompts.source == "shared_prefix":
        _check_prefix(spec, key)


def _check_lengths_of_data(spec: WorkloadSpec, key: str) -> None:
    """Refuse lengths that neither a trace nor a data set of the workload tells."""
    prompts, from_trace = spec.prompts, spec.arrival.trace_path is not None
    is_recorded = from_trace or prompts.source in DATA_SETS
    if prompts.prompt_tokens is not None and prompts.prompt_tokens.kind == "trace" and not is_recorded:
        raise ConfigError(
            f"{key}.prompts.prompt_tokens: kind 'trace' takes the lengths of a trace or of a data set's prompts: "
            f"expected arrival.kind 'trace', not {spec.arrival.kind!r}, or source {' or '.join(DATA_SETS)}, not "
            f"{prompts.source!r}"
        )
    if prompts.output_tokens.kind == "trace" and not is_recorded:
        raise ConfigError(
            f"{key}.prompts.output_tokens: kind 'trace' takes the lengths of a trace or of a data set's answers: "
            f"expected arrival.kind 'trace', not {spec.arrival.kind!r}, or source {' or '.join(DATA_SETS)}, not "
            f"{prompts.source!r}"
        )


def _check_prefix(spec: WorkloadSpec, key: str) -> None:
    """Refuse prefixes that would be ignored, or that a prompt may be too short for."""
    prompts, trace_format = spec.prompts, spec.arrival.trace_format
    if trace_format is not None and trace_format_named(trace_format).block_tokens:
        raise ConfigError(
            f"{key}.prompts.source: 'shared_prefix': the {trace_format} trace says itself which prefixes are shared: "
            "expected source random"
        )
    length = prompts.prompt_tokens
    if length is not None and length.kind in ("trace", "normal") and length.low is None:
        raise ConfigError(
            f"{key}.prompts.prompt_tokens: {length.kind} without low: expected low above prefix_tokens "
            f"{prompts.prefix_tokens}, or a short prompt would have no room after its prefix"
        )
    shortest = length and (length.value or length.low)
    if shortest and shortest <= (prompts.prefix_tokens or 0):
        raise ConfigError(
            f"{key}.prompts.prefix_tokens: {prompts.prefix_tokens}: expected less than the shortest prompt, {shortest}"
        )


def _check_lengths(workloads: list[WorkloadSpec], deployments: list[DeploymentSpec]) -> None:
    """Refuse fixed and uniform lengths that no engine of the study could take."""
    for workload in workloads:
        longest = _longest(workload.prompts.prompt_tokens) + _longest(workload.prompts.output_tokens)
        for deployment in deployments:
            for engine in deployment.engine.values():
                if engine.max_model_len is not None and longest > engine.max_model_len:
                    raise ConfigError(
                        f"workloads.{workload.id}.prompts: up to {longest} tokens of prompt and output: expected up to "
                        f"serving.engine.max_model_len = {engine.max_model_len}; shorten one or raise the other"
                    )


def _longest(length: LengthSpec | None) -> int:
    return 0 if length is None else length.value or length.high or 0


def _check_roles(points: list[OperatingPoint], deployments: list[DeploymentSpec]) -> None:
    """Refuse a point that touches nothing: its cells would be stock under another name."""
    roles = sorted({role for deployment in deployments for role in deployment.engine})
    for point in points:
        named = {*point.sm_clock_mhz, *point.memory_clock_mhz, *point.power_limit_w}
        if named and not named & set(roles):
            raise ConfigError(
                f"operating_points.{point.id}: sets {', '.join(sorted(named))}: expected a role of the architectures "
                f"that are asked for: {', '.join(roles) or 'they have none'}"
            )
