import pytest

from llmdvfs.connectors.table import CONNECTORS, resolve_connector
from llmdvfs.errors import ConfigError


@pytest.mark.parametrize(
    ("version", "connector"),
    [
        ((0, 10, 2), "p2p_nccl"),
        ((0, 13, 0), "p2p_nccl"),
        ((0, 14, 0), "nixl"),
        ((0, 16, 1), "nixl"),
        ((0, 17, 0), "p2p_nccl"),
        ((0, 23, 0), "p2p_nccl"),
        ((0, 24, 0), "nixl_push"),
        ((0, 33, 0), "nixl_push"),
    ],
)
def test_auto_on_gpus_follows_the_engine_version(version: tuple[int, ...], connector: str) -> None:
    assert resolve_connector("auto", version, "cuda") == connector


@pytest.mark.parametrize("version", [(0, 10, 2), (0, 20, 0), (0, 32, 0)])
def test_auto_on_a_cpu_is_the_file_connector(version: tuple[int, ...]) -> None:
    assert resolve_connector("auto", version, "cpu") == "example"


@pytest.mark.parametrize(
    ("connector", "version", "device", "words"),
    [
        ("p2p_nccl", (0, 15, 0), "cuda", ["0.14 to 0.16", "nixl"]),
        ("p2p_nccl", (0, 24, 0), "cuda", ["removed in vLLM 0.24", "nixl_push"]),
        ("p2p_nccl", (0, 23, 0), "cpu", ["needs GPUs", "example"]),
        ("nixl_push", (0, 23, 0), "cuda", ["came with vLLM 0.24", "p2p_nccl, nixl, example"]),
        ("nixl", (0, 12, 0), "cpu", ["0.14 or newer"]),
        ("mooncake", (0, 32, 0), "cuda", ["not known", "auto, p2p_nccl, nixl_push, nixl, example"]),
        ("auto", (0, 9, 2), "cuda", ["vLLM 0.9.2 on cuda", "0.10.2 or newer"]),
    ],
)
def test_what_cannot_work_is_refused_with_what_can(
    connector: str, version: tuple[int, ...], device: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        resolve_connector(connector, version, device)  # type: ignore[arg-type]
    for word in words:
        assert word in str(refused.value)


def test_table_is_keyed_by_name() -> None:
    assert {name: connector.name for name, connector in CONNECTORS.items()} == {
        "p2p_nccl": "p2p_nccl",
        "nixl_push": "nixl_push",
        "nixl": "nixl",
        "example": "example",
    }
