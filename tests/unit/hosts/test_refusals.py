"""What ssh and Python say where no agent can be started there, and what helps. Their words as they were seen."""

import pytest

from llmdvfs.hosts.refusals import advice


@pytest.mark.parametrize(
    ("said", "helps"),
    [
        ("Host key verification failed.", "log in there once by hand"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @ ... Host key verification failed.", "ask whoever runs"),
        ("root@10.219.0.2: Permission denied (publickey).", "ssh-copy-id"),
        ("ssh: connect to host 10.219.0.2 port 22: Connection refused", "nothing listens there"),
        ("/usr/bin/python3: No module named llmdvfs", "install the same checkout"),
        ("sh: 1: /opt/python: not found", "key `python` of that host"),
    ],
)
def test_what_is_said_has_something_that_helps(said: str, helps: str) -> None:
    found = advice(f"its agent ended with exit code 255: {said}")
    assert found is not None
    assert helps in found


def test_what_nobody_knows_has_no_advice() -> None:
    assert advice("its agent ended by SIGSEGV: without a message") is None
