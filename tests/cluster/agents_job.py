"""A job over two nodes: agents on both, by the way that a study has them, and what they tell; then it waits.

python agents_job.py FOLDER -> in FOLDER/told.json the hosts' addresses, the path between them and how far the other
clock is ahead; agents run until the job is ended.
"""

import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from llmdvfs.clock import mono_ns
from llmdvfs.hosts.all_hosts import all_hosts
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, HostSpec, ModelSpec

SRUN = ("srun", "--overlap", "-N1", "-n1", "-w", "{address}")
CLOCK_S = 2.0


def main(folder: Path) -> None:
    spec = DeploymentSpec(
        id="pair",
        architecture="disaggregated",
        model=ModelSpec("m", "hub", "someone/model"),
        device="cpu",
        engine={"prefill": EngineSpec(), "decode": EngineSpec()},
        num_instances={"prefill": 1, "decode": 1},
        connector="example",
        hosts=(
            HostSpec("first", "slurm:0", folder=str(folder / "there"), roles=("prefill",)),
            HostSpec("second", "slurm:1", SRUN, folder=str(folder / "there"), roles=("decode",)),
        ),
    )
    launch = LaunchRecord(spec, "someone/model", "m", {"vllm": "0.32.0"}, None, (), "none")
    begin_ns = mono_ns()
    with all_hosts(launch, folder / "logs", folder, print) as on:
        first, second = on.hosts
        time.sleep(CLOCK_S)
        clock = second.record(begin_ns).clock
        told = {
            "addresses": [host.spec.address for host in on.hosts],
            "path": asdict(first.path_to(second)),
            "clock": clock and asdict(clock),
        }
        (folder / "told.tmp").write_text(json.dumps(told))
        (folder / "told.tmp").rename(folder / "told.json")
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
