"""The snakemake commands of README, planned (`-n`) where a user would type them."""

import shlex
import shutil

import pytest
from readmes import commands
from workflow.conftest import CHECKOUT, Checkout, copy_checkout

HERE = [own for own in commands() if own.startswith("snakemake") and "profiles/slurm" not in own]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> Checkout:
    """A copy with its own default study, in the state after `git clone`, and the user's `my_study.yaml`."""
    checkout = copy_checkout(tmp_path_factory.mktemp("readme"), endpoint)
    default = checkout.folder / "config" / "config.yaml"
    shutil.copy2(CHECKOUT / "config" / "config.yaml", default)
    shutil.copy2(default, checkout.folder / "my_study.yaml")
    return checkout


@pytest.mark.parametrize("command", HERE)
def test_it_plans_something(command: str, checkout: Checkout) -> None:
    _, *arguments = shlex.split(command)
    run = checkout.snakemake(*arguments, *([] if "-n" in arguments else ["-n"]))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Job stats:" in run.stdout
