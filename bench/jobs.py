"""The environment in which benches run commands of this project: that of a job of the workflow on a user's machine."""

import os
from pathlib import Path


def job_environment(checkout: Path) -> dict[str, str]:
    """Return the environment of a job of a checkout.

    Snakemake gives a job one thread for linear algebra, and Python keeps what it has compiled of an import.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(checkout / "workflow"), "OPENBLAS_NUM_THREADS": "1"}
