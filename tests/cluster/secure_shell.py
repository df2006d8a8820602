"""An OpenSSH server in a network namespace, as another host has one, from the distribution's packages. Needs root.

Its users, keys and port are its own; what the machine has of ssh is neither asked nor changed. Its clock may be ahead.

    with SecureShell.started(folder, namespace, address) as shell:
        subprocess.run(["ip", "netns", "exec", other, *shell.reach, ...])
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fakes.namespaces import why_no_namespaces

PROGRAMS = ("sshd", "ssh", "ssh-keygen", "unshare")
PACKAGES = "openssh-server openssh-client"
START_LIMIT_S, END_LIMIT_S = 30.0, 30.0
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing_for_ssh() -> str | None:
    """Return why there can be no such server here, None where there can."""
    if absent := [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]:
        return f"no {', '.join(absent)}: a host to log in to needs Debian's packages {PACKAGES}"
    if os.geteuid() != 0:
        return "not root: sshd logs users in"
    return why_no_namespaces()


@dataclass(frozen=True)
class SecureShell:
    """The running server, and the files of a user who may log in there."""

    folder: Path
    namespace: str
    address: str

    @classmethod
    @contextmanager
    def started(
        cls, folder: Path, namespace: str, address: str, environment: Mapping[str, str], ahead_s: int = 0
    ) -> Iterator["SecureShell"]:
        """Start it and wait until it listens; at the end nothing runs in its namespace.

        environment: variables of whoever logs in. ahead_s: by how much CLOCK_MONOTONIC is ahead there.
        """
        shell = cls(folder, namespace, address)
        (folder / "home").mkdir(parents=True)
        for name in ("host_key", "id_ed25519"):
            shell.make_key(name)
        shutil.copy(folder / "id_ed25519.pub", folder / "authorized_keys")
        shell.know_host("host_key")
        (folder / "passwd").write_text(
            f"root:x:0:0:root:{folder}/home:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
        )
        (folder / "shadow").write_text("root:*:19000::::::\nsshd:!:19000::::::\n")
        (folder / "sshd_config").write_text(shell._server_configuration(environment))
        (folder / "ssh_config").write_text(shell._client_configuration())
        # Users, and the folder where sshd locks up its unprivileged half, are those of a mount namespace.
        begin = (
            f"mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/shadow /etc/shadow && "
            f"mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && "
            f"exec {shutil.which('sshd', path=SEARCHED)} -D -e -f {folder}/sshd_config"
        )
        ahead = ["--time", "--monotonic", str(ahead_s), "--fork"] if ahead_s else []
        with (folder / "sshd.log").open("w") as log:
            command = ["ip", "netns", "exec", namespace, "unshare", "--mount", *ahead, "sh", "-c", begin]
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + START_LIMIT_S
            while "Server listening" not in shell.log():
                assert server.poll() is None, shell.log()
                assert time.monotonic() < deadline, shell.log()
                time.sleep(0.05)
            yield shell
        finally:
            for pid in pids_in(namespace):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            server.wait()

    @property
    def reach(self) -> tuple[str, ...]:
        """Return what a study has as `reach`: the documented command, with the user's files named."""
        return ("ssh", "-F", str(self.folder / "ssh_config"), "-T", "-o", "BatchMode=yes", "{address}")

    def make_key(self, name: str) -> None:
        """Make a pair of keys, in place of one of this name."""
        for file in (self.folder / name, self.folder / f"{name}.pub"):
            file.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def know_host(self, key: str | None) -> None:
        """Have the user know the host by a key of the folder, or not at all."""
        known = f"{self.address} {(self.folder / f'{key}.pub').read_text()}" if key else ""
        (self.folder / "known_hosts").write_text(known)

    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")

    def left(self) -> list[str]:
        """Return what runs on the host beside sshd, once all that is ending has ended."""
        deadline = time.monotonic() + END_LIMIT_S
        while (found := self._others()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def _others(self) -> list[str]:
        found = []
        for pid in pids_in(self.namespace):
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if words and "sshd" not in words.partition(":")[0]:
                    found.append(f"{pid} {words}")
        return found

    def _server_configuration(self, environment: Mapping[str, str]) -> str:
        return f"""ListenAddress {self.address}
HostKey {self.folder}/host_key
AuthorizedKeysFile {self.folder}/authorized_keys
StrictModes no
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv {" ".join(f'"{name}={value}"' for name, value in environment.items())}
"""  # StrictModes: a folder under /tmp is too open for it

    def _client_configuration(self) -> str:
        """Return what lies in ~/.ssh of a user; how host keys are checked is left to ssh."""
        return f"""User root
IdentityFile {self.folder}/id_ed25519
IdentitiesOnly yes
UserKnownHostsFile {self.folder}/known_hosts
GlobalKnownHostsFile /dev/null
"""


def pids_in(namespace: str) -> list[int]:
    """Return the processes of a network namespace."""
    told = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True)
    return [int(pid) for pid in told.stdout.split()]
