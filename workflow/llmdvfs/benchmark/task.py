"""What is to be measured: one cell in its launch, and what its load generator is told."""

from dataclasses import dataclass
from pathlib import Path

from llmdvfs.errors import DataError
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.records.api_key import key_variable
from llmdvfs.records.job import CellJob, LaunchJob, LaunchRecord
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import CellId, WorkloadSpec
from llmdvfs.serving.deployment import Deployment


@dataclass(frozen=True, slots=True)
class CellTask:
    """One cell that is to be measured, in its launch."""

    launch: LaunchRecord
    job: LaunchJob
    cell: CellJob
    order_in_launch: int

    @property
    def id(self) -> CellId:
        """Return the cell's name."""
        return CellId(self.launch.deployment.id, self.cell.workload, self.cell.point, self.job.launch)

    @property
    def workload(self) -> WorkloadSpec:
        """Return the workload that is asked."""
        return self.job.workloads[self.cell.workload]

    @property
    def point(self) -> OperatingPoint:
        """Return the operating point that it is to run at."""
        return self.job.points[self.cell.point]

    @property
    def seeds(self) -> dict[str, int]:
        """Return the seeds, which do not depend on the deployment: every deployment is asked the same."""
        return {
            purpose: derive_seed(self.job.seed, purpose, self.job.launch, self.cell.workload)
            for purpose in ("prompts", "arrivals")
        }

    def load_spec(self, deployment: Deployment, folder: Path) -> LoadSpec:
        """Return what the load generator is told; DataError where the model's folder, with its tokenizer, is gone."""
        return LoadSpec(
            workload=self.workload,
            base_url=deployment.base_url,
            model=self.launch.served_model_name,
            tokenizer_folder=_tokenizer_folder(self.launch),
            seed_prompts=self.seeds["prompts"],
            seed_arrivals=self.seeds["arrivals"],
            folder=str(folder),
            api_key_env=key_variable(self.launch.deployment.device),
            route=deployment.route,
        )


def _tokenizer_folder(launch: LaunchRecord) -> str | None:
    """Return the model's folder, which holds its tokenizer; None: a hub's name says where the model is."""
    if launch.deployment.model.source == "hub":
        return None
    if not Path(launch.model_path).is_dir():
        raise DataError(f"the model's folder {launch.model_path} is gone; put it back, and run again")
    return launch.model_path
