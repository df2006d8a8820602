"""Deployments of fake engines: real processes, guards, ports and proxy; everything but vLLM."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.engine import python_with_fake_engine
from fakes.scripted_server import DONE, END, SSE_HEAD, Asked, chunk, delta, scripted_server, usage

from llmdvfs.architectures.table import architecture_named, parse_architecture
from llmdvfs.errors import ConfigError, ServerNotReady
from llmdvfs.models.tiny import write_tiny_model
from llmdvfs.records.host import HostGpu
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.run import KvCacheMade
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, ModelSpec
from llmdvfs.serving.deploy import deploy
from llmdvfs.serving.instance.gpus import take_gpus
from llmdvfs.serving.instance.http import get, post
from llmdvfs.serving.instance.ports import is_listening, reserved
from llmdvfs.serving.lifetime import is_alive

GIB = 2**30
Launch = Callable[..., LaunchRecord]


def silent(text: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    python = python_with_fake_engine(tmp_path)

    def make(architecture: str, **env: str) -> LaunchRecord:
        choice = parse_architecture(architecture)
        spec = DeploymentSpec(
            id=architecture,
            architecture=choice.name,
            model=ModelSpec("m", "hub", "someone/model"),
            device="cpu",
            engine=dict.fromkeys(choice.num_instances, EngineSpec(env=env)),
            num_instances=dict(choice.num_instances),
            connector="example" if choice.connector else None,
            python=python,
            startup_timeout_s=20,
        )
        front_door = architecture_named(choice.name).front_door
        return LaunchRecord(spec, "someone/model", "m", {"vllm": "0.32.0"}, None, (), front_door)

    return make


def test_a_single_server_is_its_own_front_door(launch: Launch, tmp_path: Path) -> None:
    with deploy(launch("single"), logs=tmp_path / "logs", results=tmp_path, progress=silent) as deployment:
        (instance,) = deployment.server_start.instances
        assert deployment.base_url == instance.base_url
        assert deployment.proxy_log is None
        assert deployment.first_dead() is None
        assert get(f"{deployment.base_url}/health", 5).ok
        assert (instance.name, instance.role, instance.device_ids) == ("single-0", "single", ("cpu",))
        assert instance.pid is not None
        assert is_alive(instance.pid)
        assert instance.startup_s is not None
        assert (tmp_path / instance.log).read_text() == "fake engine\n"
        port = int(deployment.base_url.rpartition(":")[2])
    assert not is_alive(instance.pid)
    assert not is_listening("127.0.0.1", port)


def test_disaggregated_goes_through_the_proxy_and_is_stamped(launch: Launch, tmp_path: Path) -> None:
    with deploy(launch("disaggregated-2p1d"), logs=tmp_path / "logs", progress=silent) as deployment:
        names = [instance.name for instance in deployment.server_start.instances]
        assert names == ["prefill-0", "prefill-1", "decode-0"]
        body = {"model": "m", "prompt": "a", "max_tokens": 2}
        for number in range(3):
            assert post(f"{deployment.base_url}/v1/completions", body, 10, {"X-Request-Id": f"r{number}"}).ok
        records = deployment.proxy_records({"r0", "r1", "r2"})
        assert sorted(record.request_id for record in records) == ["r0", "r1", "r2"]
        assert {record.prefill_instance for record in records} == {"prefill-0", "prefill-1"}
        assert deployment.storage is not None
        (deployment.storage / "transferred").mkdir()
        deployment.reset()
        assert list(deployment.storage.iterdir()) == []
    assert not deployment.storage.exists()


def test_an_engine_prefills_once_itself_before_a_prompt_comes_transferred(launch: Launch, tmp_path: Path) -> None:
    """One start in five of the default study ended here: its decode instance died by an illegal instruction."""
    cold = launch("disaggregated", FAKE_DIES_COLD="1")
    with deploy(cold, logs=tmp_path / "logs", progress=silent) as deployment:
        assert deployment.first_dead() is None


def test_a_direct_route_starts_no_proxy_and_reaches_every_instance_before_the_load(
    launch: Launch, tmp_path: Path
) -> None:
    direct = launch("disaggregated-2p1d")
    direct = replace(direct, deployment=replace(direct.deployment, route="direct"))
    with deploy(direct, logs=tmp_path / "logs", progress=silent) as deployment:
        assert deployment.proxy is None
        assert deployment.proxy_log is None
        assert [process.name for process in deployment.processes()] == ["prefill-0", "prefill-1", "decode-0"]
        assert deployment.route is not None
        assert deployment.route.connector == "example"
        instances = [(each.name, each.base_url, each.kv) for each in deployment.instances]
        assert [(each.name, each.base_url, each.kv) for each in deployment.route.upstreams] == instances
        asked = {each.name: json.loads(get(f"{each.base_url}/asked", 5).body) for each in deployment.instances}
        # each once by itself, and as often as its part in two hand-overs
        assert asked == {"prefill-0": 2, "prefill-1": 2, "decode-0": 3}


def test_a_pair_that_does_not_hand_over_is_told_at_the_start(launch: Launch, tmp_path: Path) -> None:
    """A fake engine's prefill answer has no transfer parameters, which NIXL needs; through the proxy it was a 502."""
    direct = launch("disaggregated")
    direct = replace(direct, deployment=replace(direct.deployment, route="direct", connector="nixl"))
    expected = r"/v1/completions did not do its part of a first request: prefill-0: the prefill answer carries no kv_"
    with (
        pytest.raises(ServerNotReady, match=expected),
        deploy(direct, logs=tmp_path / "logs", progress=silent),
    ):
        pass


def test_a_server_that_dies_is_named_with_its_cause(launch: Launch, tmp_path: Path) -> None:
    with deploy(launch("replicated-2"), logs=tmp_path / "logs", progress=silent) as deployment:
        victim = deployment.server_start.instances[1]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while (dead := deployment.first_dead()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert dead is not None
        assert dead[0] == "single-1"
        assert dead[1].startswith("ended by SIGKILL; last said: fake engine; see ")
        assert get(f"{deployment.base_url}/health", 5).status == 503


def test_a_failed_start_ends_the_others_and_says_why(launch: Launch, tmp_path: Path) -> None:
    failing = launch("single", FAKE_SAYS="torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB", FAKE_EXITS="1")
    with (
        pytest.raises(
            ServerNotReady, match=r"single-0 did not start: ended with exit code 1; out of GPU memory: .*lower"
        ),
        deploy(failing, logs=tmp_path / "logs", progress=silent),
    ):
        pass


def test_an_engine_that_fails_inside_a_server_that_goes_on_is_a_failed_start(launch: Launch, tmp_path: Path) -> None:
    """Told to end while it started, vLLM 0.32 was seen to stay for ever without its engine."""
    hanging = launch(
        "single", FAKE_SAYS="EngineCore failed to start.\nRuntimeError: NIXL is not available", FAKE_HANGS="1"
    )
    begin = time.monotonic()
    with (
        pytest.raises(ServerNotReady, match="its engine ended, and left the server without it; KV connector not in"),
        deploy(hanging, logs=tmp_path / "logs", progress=silent),
    ):
        pass
    assert time.monotonic() - begin < 15


def test_a_server_that_dies_while_another_one_starts_is_noticed_at_once(launch: Launch, tmp_path: Path) -> None:
    """Only the newest was watched: 20 s of waiting for decode-0 here, 900 s in a study, and decode-0 was blamed."""
    starting = launch("disaggregated")
    engine = {"prefill": EngineSpec(env={"FAKE_LASTS_S": "1"}), "decode": EngineSpec(env={"FAKE_HANGS": "1"})}
    starting = replace(starting, deployment=replace(starting.deployment, engine=engine))
    begin = time.monotonic()
    with (
        pytest.raises(ServerNotReady, match=r"prefill-0 was healthy and ended before the deployment served: .*code 3"),
        deploy(starting, logs=tmp_path / "logs", progress=silent),
    ):
        pass
    assert time.monotonic() - begin < 15


def test_a_server_that_dies_while_the_proxy_starts_is_not_the_proxys_fault(launch: Launch, tmp_path: Path) -> None:
    """Both servers end as soon as they serve, and the proxy, which starts beside them, never answers for them."""
    with (
        pytest.raises(ServerNotReady, match=r"single-[01] .*ended"),
        deploy(launch("replicated-2", FAKE_LASTS_S="0"), logs=tmp_path / "logs", progress=silent),
    ):
        pass


def test_a_start_that_takes_too_long_says_what_it_was_doing(launch: Launch, tmp_path: Path) -> None:
    slow = launch("single", FAKE_SAYS="INFO 11-22 14:00:00 [loader.py:1] Loading weights: 3 %", FAKE_HANGS="1")
    slow = replace(
        slow, deployment=replace(slow.deployment, startup_timeout_s=4.0)
    )  # a busy host needs two of them to start Python
    with (
        pytest.raises(ServerNotReady) as failed,
        deploy(slow, logs=tmp_path / "logs", progress=silent),
    ):
        pass
    message = str(failed.value)
    assert "not ready after 4 s: single-0: starting for " in message
    assert " s; last said: Loading weights: 3 %, see " in message
    assert "raise serving.startup_timeout_s" in message


def test_a_taken_proxy_port_is_found_before_anything_starts(launch: Launch, tmp_path: Path) -> None:
    taken = launch("replicated-2")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        taken = replace(taken, deployment=replace(taken.deployment, proxy_port=port))
        with (
            pytest.raises(
                ServerNotReady, match=rf"port {port} on 127\.0\.0\.1 cannot be taken: held by process {os.getpid()}"
            ),
            deploy(taken, logs=tmp_path / "logs", progress=silent),
        ):
            pass
    assert list((tmp_path / "logs").glob("*/*.log")) == []


def test_a_wanted_proxy_port_is_used(launch: Launch, tmp_path: Path) -> None:
    with reserved("127.0.0.1") as port:
        pass
    wanted = launch("replicated-2")
    wanted = replace(wanted, deployment=replace(wanted.deployment, proxy_port=port))
    with deploy(wanted, logs=tmp_path / "logs", progress=silent) as deployment:
        assert deployment.base_url == f"http://127.0.0.1:{port}"
        assert json.loads(get(f"{deployment.base_url}/stats", 5).body)["instances"].keys() == {"single-0", "single-1"}


def test_no_gpu_is_said_before_anything_starts(launch: Launch, tmp_path: Path) -> None:
    on_gpus = launch("single")
    on_gpus = replace(on_gpus, deployment=replace(on_gpus.deployment, device="cuda"))
    with (
        pytest.raises(ConfigError, match="1 GPU needed, 0 of 0 visible free"),
        deploy(on_gpus, logs=tmp_path / "logs", progress=silent, host_gpus=list),
    ):
        pass


def test_an_external_endpoint_is_asked_and_left_alone(launch: Launch, tmp_path: Path) -> None:
    with deploy(launch("single"), logs=tmp_path / "logs", progress=silent) as somebody_elses:
        external = launch("external")
        spec = replace(external.deployment, device="external", base_url=f"{somebody_elses.base_url}/v1")
        with deploy(replace(external, deployment=spec), logs=tmp_path / "other", progress=silent) as deployment:
            assert deployment.base_url == somebody_elses.base_url
            assert deployment.server_start.instances == ()
            assert deployment.first_dead() is None
            assert deployment.scrape_metrics().instances == {"external": None}
        assert somebody_elses.first_dead() is None


def test_an_external_endpoint_is_asked_for_what_will_be_asked_of_it(launch: Launch, tmp_path: Path) -> None:
    """One that only chats was asked for a completion, and could not be measured."""

    def chats(asked: Asked) -> list[bytes]:
        if asked.path != "/v1/chat/completions":
            return [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]
        return [SSE_HEAD, chunk(delta(content=" a"), usage(2), DONE), END]

    external = launch("external")
    with scripted_server(chats) as url:
        spec = replace(external.deployment, device="external", base_url=url)
        only_chats = replace(external, deployment=spec)
        with deploy(only_chats, logs=tmp_path, progress=silent, endpoints={"chat"}) as deployment:
            assert deployment.base_url == url
        with (
            pytest.raises(ServerNotReady, match=r"/v1/completions did not answer .* set workloads\.NAME\.endpoint"),
            deploy(only_chats, logs=tmp_path, progress=silent, endpoints={"chat", "completions"}),
        ):
            pass


def test_declared_gpus_of_an_external_endpoint_are_watched(launch: Launch, tmp_path: Path) -> None:
    host = [HostGpu(index, f"GPU-{index}", "H200", 140 * GIB, 139 * GIB) for index in range(2)]
    with deploy(launch("single"), logs=tmp_path / "logs", progress=silent) as somebody_elses:
        external = launch("external")
        spec = replace(external.deployment, device="external", base_url=somebody_elses.base_url, gpu_indices=(1,))
        declared = replace(external, deployment=spec)
        with deploy(declared, logs=tmp_path / "other", progress=silent, host_gpus=lambda: host) as deployment:
            assert deployment.gpu_indices == (1,)
            (instance,) = deployment.server_start.instances
            assert (instance.role, instance.device_ids, instance.pid) == ("single", ("gpu1",), None)
            assert deployment.processes() == []
        with (
            pytest.raises(ConfigError, match=r"serving.gpus: this host has no GPU \[1\]"),
            deploy(declared, logs=tmp_path / "other", progress=silent, host_gpus=lambda: host[:1]),
        ):
            pass


def test_gpus_are_dealt_out_in_the_order_of_instances(launch: Launch, tmp_path: Path) -> None:
    """Two GPUs for prefill (tensor parallel), one for decode; every server sees its own."""
    host = [HostGpu(index, f"GPU-test-{tmp_path.name}-{index}", "H200", 140 * GIB, 139 * GIB) for index in range(4)]
    asked = launch("disaggregated")
    engine = {"prefill": EngineSpec(tensor_parallel_size=2), "decode": EngineSpec()}
    asked = replace(asked, deployment=replace(asked.deployment, device="cuda", engine=engine))
    with deploy(asked, logs=tmp_path / "logs", progress=silent, host_gpus=lambda: host) as deployment:
        prefill, decode = deployment.server_start.instances
        assert (prefill.device_ids, prefill.env["CUDA_VISIBLE_DEVICES"]) == (("gpu0", "gpu1"), "0,1")
        assert (decode.device_ids, decode.env["CUDA_VISIBLE_DEVICES"]) == (("gpu2",), "2")
        assert deployment.gpu_indices == (0, 1, 2)
        with pytest.raises(ConfigError, match="3 GPUs needed, 1 of 4 visible free: GPU 0 is leased to process"):
            take_gpus(3, None, host, None)
    take_gpus(3, None, host, None).release()


def test_what_servers_leave_in_the_temporary_folder_goes_with_them(launch: Launch, tmp_path: Path) -> None:
    """Every start of vLLM left four sockets and rendezvous files in /tmp; a soak of hundreds of cells counted them."""
    with deploy(launch("disaggregated"), logs=tmp_path / "logs", results=tmp_path) as deployment:
        folders = {Path(instance.env["TMPDIR"]) for instance in deployment.instances}
        assert len(folders) == 1
        (folder,) = folders
        (folder / "socket").touch()
        assert len(f"{folder}/{'x' * 36}") < 107  # what a socket's path may have; vLLM's names have 36
    assert not folder.exists()


def test_a_start_that_cannot_fit_is_refused_unless_memory_check_is_off(launch: Launch, tmp_path: Path) -> None:
    """A million GiB of KV cache: nothing is started; with `serving.memory_check: off` it is said, and tried."""
    write_tiny_model(tmp_path / "tiny", 0)
    planned = replace(launch("single"), model_path=str(tmp_path / "tiny"))
    huge = replace(planned.deployment.engine["single"], cpu_kv_cache_gib=10**6)
    model = ModelSpec("m", "path", str(tmp_path / "tiny"))
    spec = replace(planned.deployment, engine={"single": huge}, model=model)
    said: list[str] = []
    with (
        pytest.raises(ConfigError, match=r"1000001\.2 GiB of memory needed .*serving\.memory_check: off starts it"),
        deploy(replace(planned, deployment=spec), logs=tmp_path / "refused", progress=said.append),
    ):
        pass
    unchecked = replace(planned, deployment=replace(spec, memory_check=False))
    with deploy(unchecked, logs=tmp_path / "tried", progress=said.append) as deployment:
        assert get(f"{deployment.base_url}/health", 5).ok
    assert [line for line in said if line.startswith("foreseen, and tried all the same")]


def test_the_kv_cache_that_the_engine_made_is_recorded(launch: Launch, tmp_path: Path) -> None:
    planned = launch("single", FAKE_SAYS="CPU KV cache size: 8,192 tokens, Maximum concurrency for 1,024 tokens: 8.00x")
    with deploy(planned, logs=tmp_path / "logs", progress=silent) as deployment:
        (instance,) = deployment.server_start.instances
    assert instance.kv_cache == KvCacheMade(8192, None)
