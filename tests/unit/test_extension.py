"""Adding one of each kind is one file and one line of a table (docs/architecture.md): nobody else has to know of it."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.additions import greet
from fakes.additions.carrier import CarrierConnector
from fakes.additions.counts import counts
from fakes.additions.diary import DIARY
from fakes.additions.mirrored import MIRRORED
from fakes.additions.pairs import PAIRS
from fakes.records import fake_study

from llmdvfs.__main__ import COMMANDS, main
from llmdvfs.architectures.table import ARCHITECTURES
from llmdvfs.arrivals.table import ARRIVALS
from llmdvfs.comparison.groups import compare
from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.errors import ConfigError
from llmdvfs.figures.table import COMPARISON_FIGURES
from llmdvfs.inputs.traces.table import TRACE_FORMATS
from llmdvfs.load.schedule.plan import plan_requests
from llmdvfs.load.sending.shape import OPEN_LOOP_CONNECTIONS, load_shape
from llmdvfs.models.shapes import SHAPES
from llmdvfs.plan.config import complete_config, config_schema, schema_validator
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.spec import DeploymentSpec, WorkloadSpec
from llmdvfs.records.store import write_record
from llmdvfs.serving.planned import plan_launch

PROMPTS: dict[str, object] = {"prompt_tokens": 8, "output_tokens": 4}


@pytest.fixture(autouse=True)
def with_additions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one line of each."""
    monkeypatch.setitem(ARCHITECTURES, "mirrored", MIRRORED)
    monkeypatch.setitem(CONNECTORS, "carrier", CarrierConnector())
    monkeypatch.setitem(ARRIVALS, "pairs", PAIRS)
    monkeypatch.setitem(TRACE_FORMATS, "diary", DIARY)
    monkeypatch.setitem(COMPARISON_FIGURES, "counts", counts)
    monkeypatch.setitem(COMMANDS, "greet", "say hello")
    monkeypatch.setitem(sys.modules, "llmdvfs.commands.greet", greet)
    monkeypatch.setitem(SHAPES, "qwen3-half", replace(SHAPES["qwen3-0.6b"], num_layers=14))
    forget_the_schema()
    yield
    forget_the_schema()


def forget_the_schema() -> None:
    """The kinds stand in the schema, and the validator keeps the schema that it was made from."""
    config_schema.cache_clear()
    schema_validator.cache_clear()


def study(
    arrival: dict[str, object],
    architecture: str = "single",
    *,
    prompts: dict[str, object] = PROMPTS,
    **more: object,
) -> Study:
    workloads = {"mine": {"prompts": prompts, "arrival": arrival}}
    given = {"architectures": [architecture], "workloads": workloads, **more}
    return make_study(complete_config(given), lambda python: {"vllm": "0.32.0"})


def workload(arrival: dict[str, object]) -> WorkloadSpec:
    return study(arrival).workloads["mine"]


def only_deployment(planned: Study) -> DeploymentSpec:
    (deployment,) = planned.deployments.values()
    return deployment


def test_an_architecture_is_planned_served_and_compared(tmp_path: Path) -> None:
    deployment = only_deployment(study({"kind": "pairs", "rate_rps": 2}, "mirrored"))
    launch = plan_launch(deployment, tmp_path)
    assert [instance.name for instance in launch.instances] == ["single-0", "single-1", "single-2"]
    assert launch.front_door == "balancer"
    record = mirrored_beside_single()
    assert {(pair.baseline, pair.other) for pair in record.groups[0].pairs} == {("single_tiny", "mirrored_tiny")}


def mirrored_beside_single() -> ComparisonRecord:
    """`disaggregated` of a made-up study called `mirrored`."""
    cells = []
    for cell in fake_study(gpu=False, launches=2):
        run, result = cell.run, cell.result
        if run.deployment.architecture != "single":
            name = replace(run.cell, deployment="mirrored_tiny")
            run = replace(
                run, cell=name, deployment=replace(run.deployment, id=name.deployment, architecture="mirrored")
            )
            result = replace(result, cell=name)
        cells.append((result, run))
    return compare([result for result, _ in cells], [run for _, run in cells])


def test_a_connector_reaches_the_servers_arguments(tmp_path: Path) -> None:
    planned = study({"kind": "pairs", "rate_rps": 2}, "disaggregated-1p1d-carrier")
    launch = plan_launch(only_deployment(planned), tmp_path)
    for instance in launch.instances:
        assert '"kv_connector":"CarrierConnector"' in "".join(instance.argv).replace(" ", "")


def test_a_kind_of_arrivals_is_planned_drawn_and_sent() -> None:
    mine = workload({"kind": "pairs", "rate_rps": 2})
    requests = list(plan_requests(mine, None, seed_prompts=1, seed_arrivals=1))
    assert [request.offset_s for request in requests] == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0]
    assert load_shape(mine).num_connections == OPEN_LOOP_CONNECTIONS  # paced by the schedule


def test_what_a_kind_of_arrivals_needs_and_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"arrival\.rate_rps: null.*'pairs'"):
        workload({"kind": "pairs"})
    with pytest.raises(ConfigError, match=r"arrival\.concurrency: 3: not used by arrival\.kind 'pairs'"):
        workload({"kind": "pairs", "rate_rps": 2, "concurrency": 3})


def test_a_format_of_traces_is_planned_and_replayed(tmp_path: Path) -> None:
    trace = tmp_path / "diary.csv"
    trace.write_text("ms,asked,answered\n100,8,4\n350,16,2\n", encoding="utf-8")
    arrival = {"kind": "trace", "trace_path": str(trace), "trace_format": "diary"}
    prompts = {"prompt_tokens": {"kind": "trace"}, "output_tokens": {"kind": "trace"}}
    mine = study(arrival, prompts=prompts).workloads["mine"]
    requests = list(plan_requests(mine, None, seed_prompts=1, seed_arrivals=1))
    assert [(request.offset_s, request.num_prompt_tokens) for request in requests] == [(0.0, 8), (0.25, 16)]


def test_a_models_shape_is_written(tmp_path: Path) -> None:
    models = {"half": {"source": "shape", "location": "qwen3-half"}}
    deployment = only_deployment(study({"kind": "pairs", "rate_rps": 2}, models=models))
    launch = plan_launch(deployment, tmp_path)
    assert '"num_hidden_layers": 14' in (Path(launch.model_path) / "config.json").read_text(encoding="utf-8")


def test_a_figure_is_drawn_by_the_command(tmp_path: Path) -> None:
    write_record(tmp_path / "comparison.json", mirrored_beside_single())
    arguments = ["figures", "comparison", "--comparison", str(tmp_path / "comparison.json")]
    assert main([*arguments, "--figures", "counts", "--output", str(tmp_path)]) == 0
    assert (tmp_path / "counts.png").read_bytes().startswith(b"\x89PNG")


def test_a_command_is_listed_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["greet", "you"]) == 0
    assert capsys.readouterr().out == "hello you\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "say hello" in capsys.readouterr().out
