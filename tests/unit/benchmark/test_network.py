"""The network of a deployment: every instance must be made to take it."""

from llmdvfs.benchmark.network import kv_network, measured_network
from llmdvfs.records.host import NetworkPath
from llmdvfs.records.hosts import HostPath
from llmdvfs.records.run import InstanceRecord, ServerStart

OVER_NETWORK = {"UCX_TLS": "rc,cuda_copy", "UCX_NET_DEVICES": "no_such_nic"}


def start(*envs: dict[str, str]) -> ServerStart:
    roles = ("prefill", "decode")
    instances = tuple(
        InstanceRecord(f"{role}-0", role, "", (), env, ("gpu0",), 1, 1.0, "")  # type: ignore[arg-type]
        for role, env in zip(roles, envs, strict=True)
    )
    return ServerStart("start", 0.0, instances, {})


def test_a_device_that_the_system_does_not_know_has_no_rate() -> None:
    assert kv_network("nixl", start(OVER_NETWORK, OVER_NETWORK)) == NetworkPath(("no_such_nic",), None)


def test_one_instance_with_another_way_is_enough() -> None:
    assert kv_network("nixl", start(OVER_NETWORK, {})) is None


def test_without_a_connector_there_is_no_kv() -> None:
    assert kv_network(None, start(OVER_NETWORK, OVER_NETWORK)) is None


def test_of_several_paths_between_hosts_the_slowest_counts() -> None:
    paths = [HostPath("n0", "n2", 1e-4, 5e9), HostPath("n1", "n2", 1e-4, 3e9)]
    assert measured_network(paths) == NetworkPath(("n1 - n2",), 3e9, is_measured=True)
    assert measured_network([]) is None
