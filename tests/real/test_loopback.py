"""What real servers and the proxy listen on."""

import psutil

from .conftest import Job


def test_servers_and_proxy_cannot_be_reached_from_another_host(disaggregated: Job) -> None:
    listening = [
        (process.pid, connection.laddr)
        for process in psutil.Process(disaggregated.process.pid).children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len({address.port for _, address in listening}) >= 4  # three servers and the proxy
    assert {address.ip for _, address in listening} == {"127.0.0.1"}
