"""What to do where the command that runs others on a host is refused, by what ssh, a shell and Python there say."""

ADVICE = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its key is not the one in known_hosts: ask whoever runs it before `ssh-keygen -R` forgets the old one",
    ),
    (
        "Host key verification failed",
        "log in there once by hand, as the same user, and compare the fingerprint: that writes known_hosts",
    ),
    (
        "Permission denied (",
        "the host takes none of this user's keys: ssh-copy-id puts one there, ssh-add unlocks one with a passphrase",
    ),
    ("Connection refused", "nothing listens there: look at the address, and at the port in ~/.ssh/config"),
    (
        "No module named llmdvfs",
        "`python` of that host (serving.hosts) has no llm-dvfs: install the same checkout",
    ),
    ("not found", "key `python` of that host (serving.hosts) names its Python where it has another path than here"),
)
"""What is said, and what helps; the first that fits."""


def advice(said: str) -> str | None:
    """Return what to do about what such a command said; None: nothing is known to help."""
    return next((do for words, do in ADVICE if words in said), None)
