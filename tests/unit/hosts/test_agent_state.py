"""What an agent's looks tell of its servers."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from llmdvfs.hosts import agent_work
from llmdvfs.hosts.agent_work import AgentWork
from llmdvfs.serving.part import Instance, Server


class SlowServer:
    """A healthy server whose process id is known a while after it answers."""

    pid: int | None = None

    def server_pid(self) -> int | None:
        return self.pid

    def exit_code(self) -> int | None:
        return None

    def is_dead(self) -> bool:
        return False

    def engine_failed_to_start(self) -> bool:
        return False

    def log_tail(self) -> str:
        return ""

    def note_family(self) -> None:
        pass


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AgentWork]:
    monkeypatch.setattr(agent_work, "STATE_INTERVAL_S", 0.0)
    agent = AgentWork("127.0.0.1", tmp_path, print)
    yield agent
    agent.close()


def test_a_server_that_was_healthy_before_its_process_was_seen_is_told_all_the_same(work: AgentWork) -> None:
    """A fast server on a busy host answered between two looks: None was kept for ever, though its id was known soon."""
    server = SlowServer()
    work._instances = (Instance("single-0", "single", "http://127.0.0.1:1", cast(Server, server), (), {}, (), None),)
    work.refresh()
    work.answer({"id": 1, "ask": "note", "name": "single-0"})
    server.pid = 7
    work.refresh()
    assert work.state.servers["single-0"].pid == 7
