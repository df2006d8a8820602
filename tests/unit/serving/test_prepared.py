"""Servers that import what they need while another launch has the GPU, and serve once they are told to."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.engine import python_with_toy_vllm

from llmdvfs.architectures.table import architecture_named, parse_architecture
from llmdvfs.errors import ConfigError, ServerNotReady
from llmdvfs.host.child import library_environment
from llmdvfs.host.lock import lock_folder
from llmdvfs.records.host import HostGpu
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, ModelSpec
from llmdvfs.serving import prepared
from llmdvfs.serving.deploy import deploy, prepare
from llmdvfs.serving.instance.gpus import expected_gpus, lease_path, open_lease, take_gpus
from llmdvfs.serving.instance.http import get
from llmdvfs.serving.lifetime import is_alive
from llmdvfs.serving.start import Start

GIB = 2**30
WAITING = "llmdvfs.serving.instance.waiting_server"


def launch(folder: Path, architecture: str = "single", device: str = "cpu", **env: str) -> LaunchRecord:
    choice = parse_architecture(architecture)
    spec = DeploymentSpec(
        id=architecture,
        architecture=choice.name,
        model=ModelSpec("m", "hub", "someone/model"),
        device=device,  # type: ignore[arg-type]
        engine=dict.fromkeys(choice.num_instances, EngineSpec(env=env)),
        num_instances=dict(choice.num_instances),
        connector=None,
        python=python_with_toy_vllm(folder),
        startup_timeout_s=20,
    )
    door = architecture_named(choice.name).front_door
    return LaunchRecord(spec, "someone/model", "m", {"vllm": "0.32.0"}, None, (), door)


def gpus(folder: Path, count: int) -> list[HostGpu]:
    return [HostGpu(index, f"GPU-{folder.name}-{index}", "H200", 140 * GIB, 139 * GIB) for index in range(count)]


def log_of(logs: Path, name: str = "single-0") -> str:
    (log,) = logs.glob(f"start-*/{name}.log")
    return log.read_text()


def importers(log: str) -> list[int]:
    return [int(line.split()[-1]) for line in log.splitlines() if line.startswith("imported by")]


def test_a_prepared_server_serves_in_the_process_that_has_imported(tmp_path: Path) -> None:
    """A start on an H100 imported for 18 s while it held the GPU."""
    planned, logs = launch(tmp_path, "replicated-2"), tmp_path / "logs"
    with prepare(planned, logs=logs) as start:
        waiting = importers(log_of(logs)) + importers(log_of(logs, "single-1"))
        assert len(waiting) == 2
        assert "serves" not in log_of(logs)
        with deploy(planned, logs=logs, results=tmp_path, prepared=start) as deployment:
            records = deployment.server_start.instances
            assert [record.pid for record in records] == waiting
            assert all(record.prepared_s is not None for record in records)
            assert get(f"{deployment.base_url}/stats", 5).ok
            assert "serves on None with input ''" in log_of(logs)
    assert not any(map(is_alive, waiting))


def test_a_server_that_nobody_prepared_says_so(tmp_path: Path) -> None:
    planned = launch(tmp_path)
    with deploy(planned, logs=tmp_path / "logs", results=tmp_path) as deployment:
        assert [record.prepared_s for record in deployment.server_start.instances] == [None]


def test_the_gpu_is_somebody_elses_until_the_servers_are_told(tmp_path: Path) -> None:
    host, planned, logs = gpus(tmp_path, 1), launch(tmp_path, device="cuda"), tmp_path / "logs"
    measured = take_gpus(1, None, host, None)
    with prepare(planned, logs=logs, host_gpus=lambda: host) as start:
        measured.release()
        with deploy(planned, logs=logs, results=tmp_path, host_gpus=lambda: host, prepared=start) as deployment:
            assert deployment.server_start.instances[0].prepared_s is not None
            assert "serves on 0" in log_of(logs)
            _lose_own_descriptors(start)
            with pytest.raises(ConfigError, match="GPU 0 is leased"):  # by the guards, which a killed job leaves
                take_gpus(1, None, host, None)
    take_gpus(1, None, host, None).release()


def _lose_own_descriptors(start: Start) -> None:
    """Have this process hold no lease any more, as if it had been killed."""
    for part in start._parts:
        part._leased.release()  # type: ignore[attr-defined]
        part._prepared.release()  # type: ignore[attr-defined]


def test_other_gpus_than_expected_get_servers_of_their_own(tmp_path: Path) -> None:
    """What has imported for one GPU may have looked at it."""
    host, planned, logs, said = gpus(tmp_path, 2), launch(tmp_path, device="cuda"), tmp_path / "logs", list[str]()
    with prepare(planned, logs=logs, host_gpus=lambda: host, progress=said.append) as start:
        (waiting,) = importers(log_of(logs))
        others = take_gpus(1, (0,), host, None)
        with deploy(planned, logs=logs, results=tmp_path, host_gpus=lambda: host, prepared=start) as deployment:
            (record,) = deployment.server_start.instances
            assert (record.device_ids, record.env["CUDA_VISIBLE_DEVICES"], record.prepared_s) == (("gpu1",), "1", None)
            assert not is_alive(waiting)
        others.release()
    assert any("other GPUs are free than were expected" in line for line in said)


def test_a_server_that_died_while_it_waited_is_started_anew(tmp_path: Path) -> None:
    planned, logs, said = launch(tmp_path), tmp_path / "logs", list[str]()
    with prepare(planned, logs=logs, progress=said.append) as start:
        (waiting,) = importers(log_of(logs))
        os.kill(waiting, signal.SIGKILL)
        _await_end(start)
        with deploy(planned, logs=logs, results=tmp_path, prepared=start) as deployment:
            (record,) = deployment.server_start.instances
            assert record.pid != waiting
            assert record.prepared_s is None
    assert any("what was prepared has ended" in line for line in said)


def _await_end(start: Start) -> None:
    (part,) = start._parts
    server = part._prepared.servers["single-0"]  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    while server.exit_code() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def test_an_import_that_fails_is_told_by_the_start_itself(tmp_path: Path) -> None:
    planned, logs = launch(tmp_path, FAKE_IMPORT_FAILS="1"), tmp_path / "logs"
    with (
        prepare(planned, logs=logs) as start,
        pytest.raises(Exception, match="no such library"),
        deploy(planned, logs=logs, prepared=start),
    ):
        pass


def test_what_is_never_told_to_serve_ends_with_its_block(tmp_path: Path) -> None:
    with prepare(launch(tmp_path), logs=tmp_path / "logs"):
        (waiting,) = importers(log_of(tmp_path / "logs"))
        assert is_alive(waiting)
    assert not is_alive(waiting)


def wait_alone(folder: Path, *modules: str) -> subprocess.CompletedProcess[str]:
    """Return what a waiting server says whose input ends."""
    environment = library_environment()
    environment["PYTHONPATH"] = os.pathsep.join((str(folder), environment["PYTHONPATH"]))
    command = [sys.executable, "-m", WAITING, *modules]
    return subprocess.run(command, env=environment, input="", capture_output=True, text=True, check=False)


def test_one_whose_teller_has_gone_ends_without_serving(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text("print('imported as', __name__)")
    done = wait_alone(tmp_path, "toy")
    assert (done.returncode, done.stdout) == (0, "imported as toy\n")


def test_an_import_that_takes_the_gpu_ends_the_server(tmp_path: Path) -> None:
    """It would draw power, and hold memory, beside the launch that is being measured there."""
    (tmp_path / "torch.py").write_text("class cuda:\n    is_initialized = staticmethod(lambda: True)\n")
    done = wait_alone(tmp_path, "torch")
    assert done.returncode == 1
    assert "CUDA was initialised by an import" in done.stderr


def test_a_gpu_that_somebody_else_computes_on_is_not_waited_for(tmp_path: Path) -> None:
    """Each launch imported for GPU 0, which was never to be had, and once more for GPU 1."""
    free, own = gpus(tmp_path, 2)
    foreign = replace(free, processes=("process 4711 (python train.py)",))
    assert [gpu.index for gpu in expected_gpus(1, None, [foreign, own], None)] == [1]
    measured = take_gpus(1, (0,), [free, own], None)
    assert [gpu.index for gpu in expected_gpus(1, None, [foreign, own], None)] == [0]  # a launch's, which will end
    measured.release()


def test_a_removed_lease_costs_what_was_prepared_and_no_launch(tmp_path: Path) -> None:
    """Cleaners of /tmp remove old files, and others lock what takes their place."""
    host, planned, logs = gpus(tmp_path, 1), launch(tmp_path, device="cuda"), tmp_path / "logs"
    with prepare(planned, logs=logs, host_gpus=lambda: host) as start:
        lease_path(host[0].uuid, lock_folder()).unlink()
        with deploy(planned, logs=logs, results=tmp_path, host_gpus=lambda: host, prepared=start) as deployment:
            assert deployment.server_start.instances[0].prepared_s is None
            with pytest.raises(ConfigError, match="GPU 0 is leased"):
                take_gpus(1, None, host, None)


def test_gpus_that_were_not_enough_are_free_again(tmp_path: Path) -> None:
    """The guards of servers that wait keep the file of a lease open, but not the lease."""
    host = gpus(tmp_path, 2)
    opened = {gpu.uuid: open_lease(gpu) for gpu in host}
    other = take_gpus(1, (1,), host, None)
    with pytest.raises(ConfigError, match="2 GPUs needed, 1 of 2 visible free"):
        take_gpus(2, None, host, None, opened=opened)
    take_gpus(1, (0,), host, None).release()
    other.release()
    for fd in opened.values():
        os.close(fd)


def test_imports_without_end_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launch that is to be measured waits for them with its GPUs."""
    monkeypatch.setattr(prepared, "IMPORT_LIMIT_S", 1.0)
    planned = launch(tmp_path, FAKE_IMPORTS_S="60")
    with pytest.raises(ServerNotReady, match="single-0 still imported after 1 s"), prepare(planned, logs=tmp_path):
        pass
