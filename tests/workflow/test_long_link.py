"""The network between two hosts as it is measured before a cell, over a link with delay and loss."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.namespaces import TwoHosts, two_hosts, why_no_namespaces

WORKFLOW = Path(__file__).parents[2] / "workflow"
ANSWER = """
import sys, time
from llmdvfs.hosts.echo import EchoServer
server = EchoServer(sys.argv[1])
server.allow([sys.argv[2]])
print(server.port, flush=True)
sys.stdin.read()
"""
MEASURE = """
import sys
from llmdvfs.hosts.network import measure_path
found = measure_path(sys.argv[1], int(sys.argv[2]))
print(found.round_trip_s, found.rate_bytes_per_s)
"""


def measured(hosts: TwoHosts) -> tuple[float, float]:
    """Return round trip [s] and rate [bytes/s] from one namespace to the other, by the code that an agent runs."""
    environment = os.environ | {"PYTHONPATH": str(WORKFLOW)}
    here, there = (["ip", "netns", "exec", name, sys.executable, "-c"] for name in (hosts.here, hosts.there))
    own, other = hosts.addresses
    hosts.run_in(hosts.here, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")  # BBR does not mind loss
    with subprocess.Popen(
        [*there, ANSWER, other, own], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        told = subprocess.check_output([*here, MEASURE, other, port], env=environment, text=True, timeout=120)
        server.stdin.close()
    round_trip_s, rate = map(float, told.split())
    return round_trip_s, rate


def test_delay_and_loss_are_in_what_is_measured() -> None:
    """20 ms each way are a round trip of 40 ms, and 1 % of lost packets hold Reno's TCP to a small part of the way.

    1448 B / 40 ms x 1.22 / sqrt(0.01) = 0.44 MB/s by Mathis and others (1997), in the long run; in the first second it
    is still slow start's, so three times that are allowed.
    """
    if (why := why_no_namespaces(is_long=True)) is not None:
        pytest.skip(why)
    with two_hosts(delay_s=0.02) as hosts:
        round_trip_s, rate = measured(hosts)
    with two_hosts(delay_s=0.02, loss_fraction=0.01) as hosts:
        lossy_round_trip_s, lossy_rate = measured(hosts)
    print(f"{round_trip_s} s, {rate} B/s; with loss {lossy_round_trip_s} s, {lossy_rate} B/s")
    assert 0.04 <= round_trip_s < 0.08
    assert 0.04 <= lossy_round_trip_s < 0.12
    assert lossy_rate < 1.3e6 < rate
