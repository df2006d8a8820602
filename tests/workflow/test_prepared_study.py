"""The servers of the next launch import while the launch before is started, by the real workflow. MODELLED."""

from pathlib import Path
from typing import Any

from modelled.side_by_side import CELLS
from modelled.side_by_side import STUDY as SIDE_BY_SIDE
from modelled.study import Modelled

from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record

LOAD = SIDE_BY_SIDE["workloads"]["decode-8"] | {"duration_s": 5}
STUDY: dict[str, Any] = SIDE_BY_SIDE | {
    "launches": 2,
    "workloads": {"decode-8": LOAD},
    "serving": SIDE_BY_SIDE["serving"] | {"gpus": [0]},
    "measure": {"idle_s": 0.3, "calibrate_client": False, "prepare_servers": True},
}


def test_the_second_launch_is_prepared_and_follows_the_first_on_its_gpu(tmp_path: Path, nvml_library: Path) -> None:
    """Two jobs run at a time, one of which has the host, and numbers are made once both have ended."""
    study = Modelled(tmp_path / "study", STUDY, seed=1)
    done = study.run(nvml_library, quiet=True, target="analysed")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = [read_record(study.folder / CELLS / f"launch-{n}" / "raw" / "run.json", RunRecord) for n in (1, 2)]
    runs.sort(key=lambda run: run.load_begin_mono_ns)
    assert all(run.server_start.instances[0].device_ids == ("gpu0",) for run in runs)
    assert [run.server_start.instances[0].prepared_s is not None for run in runs] == [False, True]
    assert runs[0].load_end_mono_ns < runs[1].load_begin_mono_ns
    made = list((study.folder / "results").glob("cells/*/*/*/launch-*/phases.json"))
    assert len(made) == 2
    assert min(file.stat().st_mtime for file in made) > runs[1].started_unix_s
