"""A study whose launches are measured side by side on two modelled GPUs, and what that means. MODELLED."""

from pathlib import Path
from typing import Any

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
CELLS = Path("results", "cells", "single_modelled", "decode-8", "stock")


def runs_of_two_at_once(folder: Path) -> list[RunRecord]:
    """Return the runs of launches 1 to 3; the first was alone, the others had a GPU each and loads that overlap."""
    runs = [read_record(folder / CELLS / f"launch-{n}" / "raw" / "run.json", RunRecord) for n in (1, 2, 3)]
    one, two, three = runs
    assert sorted(run.server_start.instances[0].device_ids for run in (two, three)) == [("gpu0",), ("gpu1",)]
    begin = max(two.load_begin_mono_ns, three.load_begin_mono_ns)
    assert begin < min(two.load_end_mono_ns, three.load_end_mono_ns)
    assert all(
        one.load_end_mono_ns < run.load_begin_mono_ns or run.load_end_mono_ns < one.load_begin_mono_ns
        for run in (two, three)
    )
    return runs
