"""In which order launches are measured: a run that is cut short has what was named first."""

import re
from pathlib import Path

import yaml
from workflow.conftest import copy_checkout

BENCHMARK = re.compile(r"rule benchmark_external_(\w)_launch_(\d):\n(?:    .*\n)*?    priority: (\d+)\n")


def test_launch_1_of_every_deployment_comes_first_in_the_studys_order(tmp_path: Path) -> None:
    """Snakemake alone would take jobs that are ready in an order of its own: `z` is named before `a`."""
    checkout = copy_checkout(tmp_path, "http://127.0.0.1:9")
    path = checkout.folder / "config" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config |= {"launches": 2, "models": {name: {"source": "tiny"} for name in "za"}}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    run = checkout.snakemake("-n")
    assert run.returncode == 0, run.stdout + run.stderr
    found = [(-int(priority), int(launch), model) for model, launch, priority in BENCHMARK.findall(run.stdout)]
    assert [(launch, model) for _, launch, model in sorted(found)] == [(1, "z"), (1, "a"), (2, "z"), (2, "a")]
