"""How the tests are shared among workers (`pytest --numprocesses`): by files, the long ones first.

Files that start engines, servers and Snakemake take up to minutes, others milliseconds. Those that come last are short,
so that the workers end together.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling, Scheduling

REAL = ("tests/real/", "tests/faults/test_real_servers.py")
ALONE = "tests/faults/test_one_host.py"
"""It leaves an engine that nobody looks after, and any run that begins on this host ends it: few do so early."""
WAITING = ("tests/unit/telemetry/", "tests/unit/serving/", "tests/unit/load/")
"""Of the small ones, those that wait for processes, for the patience with a driver, for loads in real time."""
LONG_FIRST = (*REAL, ALONE, "tests/workflow/", "tests/faults/", *WAITING)


class Sharing(LoadFileScheduling):
    """Files as a whole; all of real vLLM to one worker: tests share servers, and no two files start theirs at once."""

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)


def share(nodeid: str) -> str:
    """Return what a test belongs to that one worker takes as a whole."""
    return "real vLLM" if nodeid.startswith(REAL) else nodeid.partition("::")[0]


def rank(nodeid: str) -> int:
    """Return the place of a test's folder among those that come first."""
    return next((place for place, start in enumerate(LONG_FIRST) if nodeid.startswith(start)), len(LONG_FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return Sharing(config, log) if config.getoption("dist") == "loadfile" else None
