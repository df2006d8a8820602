"""Launches of one study at once on two modelled GPUs, by the real workflow. MODELLED."""

import json
from pathlib import Path
from typing import Any

from modelled.study import Modelled

from llmdvfs.records.raw import TELEMETRY
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record

STUDY: dict[str, Any] = {
    "launches": 3,
    "architectures": ["single"],
    "device": "cuda",
    "models": {"modelled": {"source": "tiny"}},
    "workloads": {
        "decode-8": {
            "prompts": {"prompt_tokens": 8, "output_tokens": 32},
            "arrival": {"kind": "closed", "concurrency": 8},
            "duration_s": 10,
            "num_warmup_requests": 1,
        }
    },
    "serving": {"gpus": [0, 1], "engine": {"max_model_len": 4096}},
    "measure": {"idle_s": 0.3, "calibrate_client": False, "side_by_side": True},
}


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
    cells = study.folder / "results" / "cells" / "single_modelled" / "decode-8" / "stock"
    one, two, three = (read_record(cells / f"launch-{n}" / "raw" / "run.json", RunRecord) for n in (1, 2, 3))
    assert [run.side_by_side for run in (one, two, three)] == [False, True, True]
    gpus = [run.server_start.instances[0].device_ids for run in (two, three)]
    assert sorted(gpus) == [("gpu0",), ("gpu1",)]
    # A sampler beside others leaves their GPUs to theirs.
    assert [gpus_read(cells / f"launch-{n}" / "raw" / TELEMETRY) for n in (1, 2, 3)] == [("gpu0", "gpu1"), *gpus]
    begin = max(two.load_begin_mono_ns, three.load_begin_mono_ns)
    assert begin < min(two.load_end_mono_ns, three.load_end_mono_ns)
    assert all(
        one.load_end_mono_ns < run.load_begin_mono_ns or run.load_end_mono_ns < one.load_begin_mono_ns
        for run in (two, three)
    )
