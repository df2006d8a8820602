"""Command lines and environments by value, engine version by engine version."""

import json
from dataclasses import replace

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, HostSpec, ModelSpec, Role
from llmdvfs.serving.instance.command import network_env, server_argv, server_env

CPU_ENGINE = EngineSpec(
    dtype="bfloat16",
    enforce_eager=True,
    max_model_len=4096,
    max_num_seqs=16,
    block_size=32,
    num_gpu_blocks_override=512,
    cpu_kv_cache_gib=1,
)
TINY = ModelSpec("tiny", "tiny", "")
KV = KvAddresses("127.0.0.1", 8100, 21001, "/kv", "e1")


def single(engine: EngineSpec = CPU_ENGINE, device: str = "cpu") -> DeploymentSpec:
    return DeploymentSpec("single_tiny", "single", TINY, device, {"single": engine}, {"single": 1})  # type: ignore[arg-type]


def disaggregated(connector: str, device: str, engine: EngineSpec = CPU_ENGINE) -> DeploymentSpec:
    return DeploymentSpec(
        "disaggregated_tiny",
        "disaggregated",
        TINY,
        device,  # type: ignore[arg-type]
        {"prefill": engine, "decode": engine},
        {"prefill": 1, "decode": 1},
        connector=connector,
    )


def argv(deployment: DeploymentSpec, role: Role, version: tuple[int, ...], kv: KvAddresses | None = None) -> list[str]:
    return list(
        server_argv(
            deployment, role, model="/m", http_port=8100, engine_version=version, kv=kv, python="/env/bin/python"
        )
    )


def transfer_config(deployment: DeploymentSpec, role: Role, version: tuple[int, ...]) -> dict[str, object]:
    words = argv(deployment, role, version, KV)
    config: dict[str, object] = json.loads(words[words.index("--kv-transfer-config") + 1])
    return config


def test_single_on_a_cpu() -> None:
    assert " ".join(argv(single(), "single", (0, 32, 0))) == (
        "/env/bin/python -m llmdvfs.serving.instance.forking_server vllm.entrypoints.openai.api_server "
        "--model /m --served-model-name tiny "
        "--host 127.0.0.1 --port 8100 --enable-prompt-tokens-details --disable-uvicorn-access-log "
        "--dtype bfloat16 --max-model-len 4096 --max-num-seqs 16 --block-size 32 --num-gpu-blocks-override 512 "
        "--seed 0 --enforce-eager --no-enable-prefix-caching"
    )


def test_every_engine_setting_has_its_flag() -> None:
    engine = EngineSpec(
        tensor_parallel_size=2,
        gpu_memory_utilization=0.9,
        max_model_len=8192,
        max_num_batched_tokens=16384,
        max_num_seqs=256,
        dtype="auto",
        enforce_eager=False,
        enable_prefix_caching=True,
        enable_chunked_prefill=False,
        block_size=16,
        num_gpu_blocks_override=10,
        load_format="dummy",
        seed=7,
        cpu_offload_gb=4.0,
        extra_args=("--max-logprobs", "5"),
    )
    words = " ".join(argv(single(engine, "cuda"), "single", (0, 23, 0)))
    assert words.endswith(
        "--tensor-parallel-size 2 --dtype auto --load-format dummy --max-model-len 8192 --max-num-seqs 256 "
        "--max-num-batched-tokens 16384 --gpu-memory-utilization 0.9 --block-size 16 --num-gpu-blocks-override 10 "
        "--cpu-offload-gb 4.0 --seed 7 --no-enforce-eager --enable-prefix-caching --no-enable-chunked-prefill "
        "--max-logprobs 5"
    )


@pytest.mark.parametrize(
    ("version", "name"),
    [((0, 10, 2), "SharedStorageConnector"), ((0, 12, 0), "SharedStorageConnector"), ((0, 13, 0), "ExampleConnector")],
)
def test_example_connector_had_another_name(version: tuple[int, ...], name: str) -> None:
    assert transfer_config(disaggregated("example", "cpu"), "prefill", version) == {
        "kv_connector": name,
        "kv_role": "kv_producer",
        "kv_connector_extra_config": {"shared_storage_path": "/kv"},
    }


def test_example_connector_prefills_in_one_step() -> None:
    """It stores what a prompt's first step computed: with chunked prefill decode would load a part as the whole."""
    deployment = disaggregated("example", "cpu")
    prefill = argv(deployment, "prefill", (0, 32, 0), KV)
    assert prefill[prefill.index("--no-enable-chunked-prefill") :][:3] == [
        "--no-enable-chunked-prefill",
        "--max-num-batched-tokens",
        "4096",
    ]
    assert "--no-enable-chunked-prefill" not in argv(deployment, "decode", (0, 32, 0), KV)


def test_example_connector_refuses_chunked_prefill() -> None:
    engine = replace(CPU_ENGINE, enable_chunked_prefill=True)
    with pytest.raises(ConfigError, match=r"enable_chunked_prefill is true.*leave it unset"):
        argv(disaggregated("example", "cpu", engine), "prefill", (0, 32, 0), KV)


@pytest.mark.parametrize("version", [(0, 10, 2), (0, 23, 0)])
def test_p2p_nccl_takes_its_numbers_as_strings(version: tuple[int, ...]) -> None:
    deployment = disaggregated("p2p_nccl", "cuda")
    assert transfer_config(deployment, "prefill", version) == {
        "kv_connector": "P2pNcclConnector",
        "kv_role": "kv_producer",
        "kv_buffer_size": "1e1",
        "kv_port": "21001",
        "kv_connector_extra_config": {
            "http_port": "8100",
            "send_type": "PUT_ASYNC",
            "nccl_num_channels": "16",
            "mem_pool_size_gb": "4",
        },
    }
    assert transfer_config(deployment, "decode", version)["kv_buffer_size"] == "8e9"


@pytest.mark.parametrize(
    ("version", "connector", "value"),
    [
        ((0, 13, 0), "p2p_nccl", None),
        ((0, 17, 0), "p2p_nccl", "1"),
        ((0, 23, 0), "p2p_nccl", "1"),
        ((0, 23, 0), "nixl", None),
        ((0, 24, 0), "nixl_push", "1"),
    ],
)
def test_request_ids_are_kept_where_a_connector_needs_them(
    version: tuple[int, ...], connector: str, value: str | None
) -> None:
    env = server_env(disaggregated(connector, "cuda"), "decode", engine_version=version, kv=KV, gpus=["1"])
    assert env.get("VLLM_DISABLE_REQUEST_ID_RANDOMIZATION") == value


@pytest.mark.parametrize("version", [(0, 10, 2), (0, 23, 0), (0, 32, 0), (0, 33, 0)])
def test_nixl_on_gpus(version: tuple[int, ...]) -> None:
    """From 0.32 vLLM refuses unknown keys, so nothing that another connector needs may be among them."""
    deployment = disaggregated("nixl", "cuda")
    assert transfer_config(deployment, "decode", version) == {
        "kv_connector": "NixlConnector",
        "kv_role": "kv_consumer",
        "engine_id": "e1",
    }
    env = server_env(deployment, "decode", engine_version=version, kv=KV, gpus=["1"])
    assert env["VLLM_NIXL_SIDE_CHANNEL_HOST"] == "127.0.0.1"
    assert env["VLLM_NIXL_SIDE_CHANNEL_PORT"] == "21001"
    assert "UCX_TLS" not in env


def test_nixl_on_a_cpu_goes_through_host_memory() -> None:
    deployment = disaggregated("nixl", "cpu")
    config = transfer_config(deployment, "prefill", (0, 32, 0))
    assert config["kv_buffer_device"] == "cpu"
    assert config["kv_connector_extra_config"] == {"num_threads": 0}
    assert server_env(deployment, "prefill", engine_version=(0, 32, 0), kv=KV)["UCX_TLS"] == "tcp,self"


def test_environment_on_a_cpu() -> None:
    assert server_env(single(), "single", engine_version=(0, 32, 0), kv=None) == {
        "VLLM_WORKER_MULTIPROC_METHOD": "fork",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "3600",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }


def test_environment_on_gpus_counts_as_nvidia_smi_does() -> None:
    env = server_env(single(EngineSpec(), "cuda"), "single", engine_version=(0, 23, 0), kv=None, gpus=["2", "3"])
    assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert env["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert "OMP_NUM_THREADS" not in env


def test_a_hub_model_may_be_fetched() -> None:
    deployment = replace(single(), model=ModelSpec("qwen", "hub", "Qwen/Qwen3-0.6B"))
    assert "HF_HUB_OFFLINE" not in server_env(deployment, "single", engine_version=(0, 32, 0), kv=None)


def test_prefix_caching_opens_the_door_to_empty_it() -> None:
    engine = replace(CPU_ENGINE, enable_prefix_caching=True)
    env = server_env(single(engine), "single", engine_version=(0, 32, 0), kv=None)
    assert env["VLLM_SERVER_DEV_MODE"] == "1"


def test_the_configuration_has_the_last_word() -> None:
    engine = replace(CPU_ENGINE, env={"OMP_NUM_THREADS": "4", "NCCL_DEBUG": "INFO"})
    env = server_env(single(engine), "single", engine_version=(0, 32, 0), kv=None)
    assert env["OMP_NUM_THREADS"] == "4"
    assert env["NCCL_DEBUG"] == "INFO"


def test_on_several_hosts_libraries_take_the_network_that_is_named() -> None:
    assert network_env(None) == {}
    assert network_env(HostSpec("n0", "10.0.0.1")) == {}
    named = HostSpec("n0", "10.0.0.1", interface="ens5", kv_devices="mlx5_0:1")
    assert network_env(named) == {
        "NCCL_SOCKET_IFNAME": "ens5",
        "GLOO_SOCKET_IFNAME": "ens5",
        "UCX_NET_DEVICES": "mlx5_0:1",
    }
