"""A study over two namespaces, as one benchmark job: prefill here, decode there on a clock that is 5000 s ahead."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.namespaces import TwoHosts

from llmdvfs.plan.cells import pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
from llmdvfs.records.places import cell_folder
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import write_record
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.serving.planned import plan_launch

WORKFLOW = Path(__file__).parents[2] / "workflow"
AHEAD_S = 5000


@dataclass(frozen=True)
class SpreadStudy:
    """The files of the job, and where its one cell comes to lie."""

    folder: Path
    namespaces: TwoHosts
    python: str | None
    reach: tuple[str, ...] = ()
    """Command that runs others there; empty: it enters the namespace, where the clock is ahead."""

    def config(self, workload: dict[str, Any], **serving: Any) -> dict[str, Any]:
        """Return a study whose workload `w` is asked of one prefill instance here and one decode instance there."""
        here, there = self.namespaces.addresses
        enters = ["ip", "netns", "exec", self.namespaces.there, "unshare", "-T", "--monotonic", str(AHEAD_S), "--fork"]
        hosts = [
            {"name": "n0", "address": here, "folder": str(self.there), "roles": ["prefill"]},
            {
                "name": "n1",
                "address": there,
                "folder": str(self.there),
                "roles": ["decode"],
                "reach": list(self.reach) or enters,
            },
        ]
        return {
            "results": str(self.folder / "results"),
            "architectures": ["disaggregated"],
            "launches": 1,
            "workloads": {"w": workload},
            "serving": {
                "python": self.python,
                "hosts": hosts,
                "connector": "example",
                "memory_check": False,
                **serving,
            },
            "measure": {"idle_s": 0.5, "calibrate_client": False, "retries": 0},
        }

    def start(self, config: dict[str, Any]) -> "subprocess.Popen[str]":
        """Start the benchmark job in the namespace `here`."""
        study = make_study(complete_config(config), engine_versions)
        (planned,) = pending_launches(study)
        launch = plan_launch(study.deployments[planned.deployment], study.results / "models")
        write_record(self.folder / "launch.json", launch)
        write_record(self.folder / "job.json", planned.job)
        command = [sys.executable, "-m", "llmdvfs", "benchmark"]
        for name in ("launch", "job"):
            command += [f"--{name}", str(self.folder / f"{name}.json")]
        command += ["--results", str(study.results), "--log", str(self.folder / "benchmark.log")]
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespaces.here, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": str(WORKFLOW)},
        )

    @property
    def there(self) -> Path:
        """Folder of both agents; ssh hands its name to a shell, which would take it apart."""
        return self.folder / "shared by both"

    @property
    def cell(self) -> Path:
        return cell_folder(self.folder / "results", CellId("disaggregated_tiny", "w", "stock", 1))
