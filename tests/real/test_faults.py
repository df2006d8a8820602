"""What happens to real servers that cannot start, are killed while they start, or lose their engine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmdvfs.errors import ServerNotReady
from llmdvfs.records.spec import EngineSpec
from llmdvfs.serving.deploy import deploy
from llmdvfs.serving.instance.process import is_engine
from llmdvfs.serving.lifetime import descendants, is_alive
from llmdvfs.serving.planned import plan_launch

from .conftest import BEHIND_OTHERS, HERE, WORKFLOW, job, shared_memory
from .job import spec
from .test_architectures import wait_until


def test_a_server_that_cannot_start_says_why_and_where_to_look(tmp_path: Path) -> None:
    deployment = spec("single")
    deployment.engine["single"] = EngineSpec(extra_args=("--no-such-flag",))
    launch = plan_launch(deployment, tmp_path / "models")
    with pytest.raises(ServerNotReady) as failed, deploy(launch, logs=tmp_path / "logs"):
        pass
    (log,) = (tmp_path / "logs").glob("start-*/single-0.log")
    assert str(failed.value) == (
        "single-0 did not start: ended with exit code 2; unknown flag: api_server.py: error: unrecognized arguments: "
        "--no-such-flag; remove it from serving.engine.extra_args, or use an engine version that has it; "
        f"see {log}"
    )


def test_nothing_is_left_after_sigkill_of_a_job_whose_servers_are_starting(tmp_path: Path) -> None:
    with (tmp_path / "output").open("w") as output:
        starting = subprocess.Popen(
            [*BEHIND_OTHERS, sys.executable, str(HERE / "job.py"), "disaggregated", str(tmp_path)],
            stdout=output,
            stderr=output,
            env=os.environ | {"PYTHONPATH": str(WORKFLOW)},
        )
    assert wait_until(lambda: len(descendants(starting.pid)) >= 6, 120)  # two guards and a server, twice
    time.sleep(3)
    family = descendants(starting.pid)
    starting.kill()
    starting.wait()
    assert wait_until(lambda: not any(is_alive(pid) for pid in family), 10), [p for p in family if is_alive(p)]


def test_a_killed_engine_is_noticed_and_the_rest_ended_in_order(tmp_path: Path) -> None:
    with job("single", tmp_path) as single:
        family = single.facts["family"]
        shared = shared_memory(family)
        assert shared  # between the engine and its worker
        os.kill(next(pid for pid in family if is_engine(pid)), signal.SIGKILL)
        killed = time.monotonic()
        event = single.next_event()
        assert time.monotonic() - killed < 5
        assert (event["event"], event["name"]) == ("dead", "single-0")
    assert single.process.returncode == 130
    assert not any(is_alive(pid) for pid in family)
    assert not any(path.exists() for path in shared)
