"""Nothing that a study starts can be reached from another host, unless somebody asks for it."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from llmdvfs.commands import proxy
from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, ModelSpec, Role
from llmdvfs.serving.planned import plan_launch

LOOPBACK = "127.0.0.1"
WORKFLOW = Path(__file__).parents[2] / "workflow"


def deployment(architecture: str, roles: tuple[Role, ...], connector: str | None = None) -> DeploymentSpec:
    return DeploymentSpec(
        id=f"{architecture}_tiny",
        architecture=architecture,
        model=ModelSpec("tiny", "path", "models/tiny"),
        device="cuda",
        engine=dict.fromkeys(roles, EngineSpec()),
        num_instances=dict.fromkeys(roles, 2),
        connector=connector,
    )


DEPLOYMENTS = [
    deployment("single", ("single",)),
    deployment("replicated", ("single",)),
    deployment("tensor_parallel", ("single",)),
    *[deployment("disaggregated", ("prefill", "decode"), connector) for connector in CONNECTORS],
]


@pytest.mark.parametrize("spec", DEPLOYMENTS, ids=lambda spec: f"{spec.architecture}-{spec.connector}")
def test_every_server_is_told_to_listen_on_loopback(
    spec: DeploymentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models/tiny").mkdir(parents=True)
    (tmp_path / "models/tiny/config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("llmdvfs.serving.planned.engine_versions", lambda python: {"vllm": "0.23.0"})
    for instance in plan_launch(spec, tmp_path).instances:
        assert instance.argv[instance.argv.index("--host") + 1] == LOOPBACK
        assert instance.env["VLLM_HOST_IP"] == LOOPBACK
        assert "0.0.0.0" not in " ".join([*instance.argv, *instance.env.values()])


def test_the_proxy_listens_on_loopback_unless_told_otherwise() -> None:
    parser = argparse.ArgumentParser()
    proxy.add_arguments(parser)
    assert parser.parse_args(["--plan", "p", "--log", "l", "--port", "1"]).host == LOOPBACK


def test_the_mock_server_listens_on_loopback() -> None:
    command = [sys.executable, "-m", "llmdvfs", "mock-server"]
    environment = os.environ | {"PYTHONPATH": str(WORKFLOW)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        server.stdout.readline()
        found = psutil.Process(server.pid).net_connections("inet")
        server.terminate()
    assert {connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN} == {LOOPBACK}
