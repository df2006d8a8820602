"""A SLURM of one node with fake GPUs, from the distribution's packages: munged, slurmctld, slurmd. Needs root.

Everything is in one folder, on loopback and ports of its own; a SLURM that the machine has is neither asked nor
disturbed. GPUs are device nodes that `gres.conf` names: SLURM deals them out and sets CUDA_VISIBLE_DEVICES, no more.

    with OneNode.started(folder, num_gpus=2) as cluster:
        subprocess.run(["sbatch", ...], env=os.environ | cluster.environment())
"""

import os
import re
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "squeue", "scontrol")
PACKAGES = "munge slurmctld slurmd slurm-client"
PARTITION = "gpu"
NUM_CPUS, MEMORY_MB = 64, 200_000
"""What the node says that it has, whatever this machine has: jobs ask for more than a small one does."""
NODE = (
    f"CPUs={NUM_CPUS} Boards=1 SocketsPerBoard=1 CoresPerSocket={NUM_CPUS} ThreadsPerCore=1 RealMemory={MEMORY_MB} "
    "State=UNKNOWN"
)
START_LIMIT_S, STOP_LIMIT_S = 60.0, 30.0
DEAD_AFTER_S = 20
"""A node that has not answered for so long is down, and its jobs have lost it; five minutes by default."""
FREE = "mixed|idle|allocated"


def missing_for_slurm() -> str | None:
    """Return why there can be no such cluster here, None where there can."""
    if absent := [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]:
        return f"no {', '.join(absent)}: a SLURM of one node needs Debian's packages {PACKAGES}"
    return None if os.geteuid() == 0 else "not root: slurmd starts jobs as the user who submitted them"


@dataclass
class OneNode:
    """The running cluster."""

    folder: Path
    node: str
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    enters: tuple[str, ...] = ()
    """Before every command that asks the cluster, where that is somewhere else."""

    @classmethod
    @contextmanager
    def started(cls, folder: Path, num_gpus: int, *, requeues: bool = True) -> Iterator["OneNode"]:
        """Start it and wait until its node takes jobs; at the end nothing of it runs.

        requeues: whether a job whose node has died waits for another one, which is SLURM's own default, or fails.
        """
        node = socket.gethostname().split(".")[0]
        cluster = cls(folder, node)
        prepare(folder, [node])
        for gpu in range(num_gpus):
            os.mknod(folder / f"gpu{gpu}", stat.S_IFCHR | 0o600, os.makedev(1, 3))  # another name for /dev/null
        (folder / "gres.conf").write_text(f"NodeName={node} Name=gpu File={folder}/gpu[0-{num_gpus - 1}]\n")
        (folder / "slurm.conf").write_text(_configuration(folder, node, num_gpus, requeues=requeues))
        try:
            cluster.start_munged()
            cluster.start("slurmctld", "-D", "-f", str(folder / "slurm.conf"))
            cluster.start_slurmd()
            yield cluster
        finally:
            cluster.stop()

    def environment(self) -> dict[str, str]:
        """Return the variables with which SLURM's commands find this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder}/bin{os.pathsep}{_path()}"}

    def start_munged(self) -> None:
        """Start the daemon that vouches for users, and wait until it can be asked."""
        self.start("munged", *_munge(self.folder))
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged has no socket")

    def start(self, program: str, *arguments: str, enters: Sequence[str] = ()) -> None:
        """Start a daemon in the foreground, its output in the log folder."""
        with (self.folder / "log" / f"{program}.out").open("ab") as output:
            command = [*enters, str(shutil.which(program, path=_path())), *arguments]
            environment = os.environ | self.environment()
            self.daemons[program] = subprocess.Popen(command, stdout=output, stderr=output, env=environment)

    def start_slurmd(self) -> None:
        """Start the node's daemon, after its first start or its death, and wait until the node takes jobs."""
        self.start("slurmd", "-D", "-f", str(self.folder / "slurm.conf"))
        self._wait(self._takes_jobs, "the node takes no jobs")

    def kill_slurmd(self) -> None:
        """Kill the node's daemon; the jobs' own daemons (slurmstepd) live on."""
        self.daemons["slurmd"].kill()
        self.daemons.pop("slurmd").wait()

    def die(self) -> None:
        """Kill everything that runs on the node in the same instant, as a power cut does."""
        own = [process for process in psutil.process_iter() if self._is_of_a_job(process)]
        daemons = {parent for process in own for parent in process.parents() if parent.name().startswith("slurmstepd")}
        slurmd = self.daemons.pop("slurmd")
        slurmd.kill()
        for process in (*daemons, *own):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        slurmd.wait()

    def _is_of_a_job(self, process: psutil.Process) -> bool:
        try:
            environment = process.environ()
        except (OSError, psutil.Error):
            return False
        return "SLURM_JOB_ID" in environment and environment.get("SLURM_CONF") == str(self.folder / "slurm.conf")

    def hold(self) -> None:
        """Let jobs queue and none start, until `release`."""
        self.ask("scontrol", "update", f"PartitionName={PARTITION}", "State=DOWN")

    def release(self) -> None:
        """Let jobs start."""
        self.ask("scontrol", "update", f"PartitionName={PARTITION}", "State=UP")

    def first(self, job: str) -> None:
        """Have a job that waits start before all others."""
        self.ask("scontrol", "top", job)

    def ask(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """Return what one of SLURM's commands says. environment: that of whoever asks, in place of this process's."""
        done = subprocess.run(
            [*self.enters, *command],
            env={**(environment or os.environ), **self.environment()},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout

    def jobs(self, state: str) -> dict[str, str]:
        """Return the jobs of a state (`RUNNING`, `all`): number -> comment, which names the rule."""
        lines = self.ask("squeue", "--noheader", f"--states={state}", "--format=%i %k").splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def stop(self) -> None:
        """End jobs, then daemons."""
        if "slurmctld" in self.daemons:
            self.ask("scancel", "--full", "--user=root")
            deadline = time.monotonic() + STOP_LIMIT_S
            while self.jobs("RUNNING,COMPLETING") and time.monotonic() < deadline:
                time.sleep(0.5)
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _takes_jobs(self) -> bool:
        told = self.ask("sinfo", "--noheader", "--Node", "--format=%T", "--nodes", self.node).split()
        return bool(told) and all(re.fullmatch(FREE, state) for state in told)

    def _wait(self, is_there: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not is_there():
            logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in (self.folder / "log").iterdir())
            assert time.monotonic() < deadline, f"{problem} after {START_LIMIT_S:g} s:\n{logs}"
            time.sleep(0.2)


def prepare(folder: Path, nodes: Sequence[str]) -> None:
    """Make the folders of a cluster, its key, and its srun."""
    for name in ("bin", "state", "log", *(f"spool/{node}" for node in nodes)):
        (folder / name).mkdir(parents=True)
    # The executor plugin's job step (0.6.1) hands SLURM_CONF on to no srun, which then looks in /etc/slurm.
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun", path=_path())} "$@"\n')
    srun.chmod(0o755)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)


def _path() -> str:
    """Return PATH with the folders where daemons are."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _munge(folder: Path) -> Sequence[str]:
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    return [
        "--foreground",
        "--force",  # a folder under /tmp is too open for it
        f"--log-file={folder}/log/munged.log",
        *(f"--{option}={folder}/{name}" for option, name in files.items()),
    ]


def _configuration(folder: Path, node: str, num_gpus: int, *, requeues: bool) -> str:
    controller, daemon = _free_ports(2)
    nodes = f"NodeName={node} NodeAddr=127.0.0.1 Gres=gpu:{num_gpus} {NODE}"
    where = f"SlurmctldHost={node}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={daemon}\nGresTypes=gpu"
    return configuration(folder, f"{where}\n{nodes}", [node], requeues=requeues)


def configuration(folder: Path, lines: str, nodes: Sequence[str], *, requeues: bool = True) -> str:
    """Return slurm.conf; lines: of the controller, of ports and of nodes."""
    return f"""ClusterName=one
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool/%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_min_interval=100000,sched_interval=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
KillWait=10
SlurmdTimeout={DEAD_AFTER_S}
JobRequeue={int(requeues)}
MinJobAge=600
{lines}
PartitionName={PARTITION} Nodes={",".join(nodes)} Default=YES MaxTime=INFINITE State=UP
"""


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
