"""Launches of one study at once on two modelled GPUs, by the real workflow. MODELLED."""

import json
from pathlib import Path

from modelled.side_by_side import CELLS, STUDY, runs_of_two_at_once
from modelled.study import Modelled

from llmdvfs.records.raw import TELEMETRY


def gpus_read(telemetry: Path) -> tuple[str, ...]:
    """Return the GPUs in the first line of a cell's telemetry: those that its sampler reads."""
    with telemetry.open(encoding="utf-8") as lines:
        devices = json.loads(lines.readline())["devices"]
    return tuple(device["device_id"] for device in devices if device["kind"] == "gpu")


def test_two_launches_run_at_once_on_gpus_of_their_own_and_the_first_one_alone(
    tmp_path: Path, nvml_library: Path
) -> None:
    """Launch 1 is alone. Launches 2 and 3 begin together: the loads of 10 s of both overlap, on different GPUs."""
    study = Modelled(tmp_path / "study", STUDY, seed=1, num_gpus=2)
    done = study.run(nvml_library, quiet=True, target="analysed")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = runs_of_two_at_once(study.folder)
    assert [run.side_by_side for run in runs] == [False, True, True]
    # A sampler beside others leaves their GPUs to theirs.
    own = [run.server_start.instances[0].device_ids for run in runs[1:]]
    raw = [study.folder / CELLS / f"launch-{n}" / "raw" for n in (1, 2, 3)]
    assert [gpus_read(folder / TELEMETRY) for folder in raw] == [("gpu0", "gpu1"), *own]
