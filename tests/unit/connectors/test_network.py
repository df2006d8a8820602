"""When KV is sent over a network although both instances are on one host, as the engine's environment says."""

import pytest

from llmdvfs.connectors.table import CONNECTORS

NIC = "mlx5_0:1"


@pytest.mark.parametrize(
    ("env", "devices"),
    [
        ({}, ()),
        ({"UCX_NET_DEVICES": NIC}, ()),  # UCX takes cuda_ipc within a host
        ({"UCX_TLS": "all", "UCX_NET_DEVICES": NIC}, ()),
        ({"UCX_TLS": "rc,cuda_copy", "UCX_NET_DEVICES": NIC}, (NIC,)),
        ({"UCX_TLS": "rc,cuda_copy,cuda_ipc", "UCX_NET_DEVICES": NIC}, ()),
        ({"UCX_TLS": "^cuda_ipc", "UCX_NET_DEVICES": f"{NIC},mlx5_1:1"}, (NIC, "mlx5_1:1")),
        ({"UCX_TLS": "^tcp", "UCX_NET_DEVICES": NIC}, ()),
        ({"UCX_TLS": "rc,cuda_copy"}, ()),  # any device: it cannot be told which
    ],
)
@pytest.mark.parametrize("connector", ["nixl", "nixl_push"])
def test_ucx(connector: str, env: dict[str, str], devices: tuple[str, ...]) -> None:
    assert CONNECTORS[connector].network_devices(env) == devices


@pytest.mark.parametrize(
    ("env", "devices"),
    [
        ({"NCCL_IB_HCA": "mlx5_0"}, ()),
        ({"NCCL_P2P_DISABLE": "1", "NCCL_IB_HCA": "mlx5_0"}, ()),  # shared memory is left
        ({"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "0", "NCCL_IB_HCA": "mlx5_0"}, ()),
        ({"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1", "NCCL_IB_HCA": "=mlx5_0:1,mlx5_1:1"}, (NIC, "mlx5_1:1")),
        ({"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1", "NCCL_SOCKET_IFNAME": "eth0"}, ("eth0",)),
        ({"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1", "NCCL_IB_HCA": "^mlx5_0"}, ()),
    ],
)
def test_nccl(env: dict[str, str], devices: tuple[str, ...]) -> None:
    assert CONNECTORS["p2p_nccl"].network_devices(env) == devices


def test_files_take_no_network() -> None:
    assert CONNECTORS["example"].network_devices({"UCX_TLS": "rc", "UCX_NET_DEVICES": NIC}) == ()
