"""launch.json may be looked at, and is not the place to change what is measured."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmdvfs.benchmark.as_planned import check_as_planned
from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
from llmdvfs.records.job import LaunchJob, LaunchRecord
from llmdvfs.records.store import record_of, to_json
from llmdvfs.serving import planned

VERSIONS = {"vllm": "0.23.0", "torch": "2.10.0", "python": "3.12.3"}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[LaunchRecord, LaunchJob]:
    """What a benchmark job reads: launch.json, and the job's file."""
    monkeypatch.setattr(planned, "engine_versions", lambda python: VERSIONS)
    config: dict[str, Any] = {
        "results": str(tmp_path / "results"),
        "architectures": ["single"],
        "models": {"tiny": {"source": "tiny"}},
        "workloads": {
            "chat": {
                "prompts": {"prompt_tokens": 16, "output_tokens": 4},
                "arrival": {"kind": "closed", "concurrency": 1},
                "num_requests": 4,
            }
        },
        "serving": {"engine": {"max_num_seqs": 8, "extra_args": ["--enable-log-requests"]}},
    }
    study = make_study(complete_config(config), lambda python: VERSIONS)
    (deployment,) = study.deployments.values()
    job = pending_launches(study)[0].job
    return _through_json(planned.plan_launch(deployment, tmp_path / "models")), _through_json(job)


def _through_json(record: Any) -> Any:
    return record_of(Path("file"), json.loads(json.dumps(to_json(record))), type(record))


def test_the_file_as_it_was_made_is_measured(made: tuple[LaunchRecord, LaunchJob]) -> None:
    check_as_planned(*made)


def test_results_that_came_from_another_machine_are_measured(made: tuple[LaunchRecord, LaunchJob]) -> None:
    """Python and the generated model lie elsewhere there."""
    launch, job = made
    (instance,) = launch.instances
    argv = tuple(word.replace(launch.model_path, "/elsewhere/models/tiny-seed0") for word in instance.argv)
    moved = replace(instance, argv=("/elsewhere/python", *argv[1:]))
    check_as_planned(replace(launch, model_path="/elsewhere/models/tiny-seed0", instances=(moved,)), job)


@pytest.mark.parametrize("part", ["deployment", "engine", "instances", "served_model_name", "model_path", "front_door"])
def test_an_edited_file_is_not_measured_under_the_key_of_the_configuration(
    part: str, made: tuple[LaunchRecord, LaunchJob]
) -> None:
    """A larger batch, written into launch.json, was measured and stored as the configuration's smaller one."""
    launch, job = made
    engine = {"single": replace(launch.deployment.engine["single"], max_num_seqs=256)}
    edits: dict[str, dict[str, Any]] = {
        "deployment": {"deployment": replace(launch.deployment, engine=engine)},
        "engine": {"engine_versions": VERSIONS | {"vllm": "0.33.0"}},
        "instances": {"instances": (replace(launch.instances[0], env={"OMP_NUM_THREADS": "64"}),)},
        "served_model_name": {"served_model_name": "another"},
        "model_path": {"model_path": "/models/another"},
        "front_door": {"front_door": "balancer"},
    }
    with pytest.raises(ConfigError, match=rf"launch\.json of single_tiny: .*{part}.*remove launch\.json"):
        check_as_planned(replace(launch, **edits[part]), job)
