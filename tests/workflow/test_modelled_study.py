"""A whole study on the modelled GPU, by the real workflow: its answer is the truth that the model knows."""

from pathlib import Path

from modelled.study import Modelled, clock_of, lowest

from llmdvfs.records.answers import RecommendedClocks
from llmdvfs.records.store import read_record

# A busy machine may take a second of a window (7 % of its energy), and requests that it set out of step wait for a
# step each (3 %). The next clock differs by 11 %.
STUDY = {
    "launches": 1,
    "architectures": ["single"],
    "device": "cuda",
    "models": {"modelled": {"source": "tiny"}},
    "operating_points": {"stock": {}, "all": {"sm_clock_mhz": {"all": [600, 810, 1200]}}},
    "workloads": {
        "decode-8": {
            "isolates": "decode",
            "prompts": {"prompt_tokens": 8, "output_tokens": 64},
            "arrival": {"kind": "closed", "concurrency": 8},
            "duration_s": 10,
            "num_warmup_requests": 1,
        }
    },
    "serving": {"engine": {"max_model_len": 4096}},
    "measure": {"idle_s": 0.3, "calibrate_client": False},
    "figures": {"cells": "none"},
}


def test_the_clock_of_lowest_energy_and_its_saving_are_the_true_ones(tmp_path: Path, nvml_library: Path) -> None:
    """Of 210 to 1980 MHz the true best is 810, which saves 47 %; 600 and 1200 are out of reach of the noise.

    Where a busy machine disturbed the cell that all others are related to, there is no answer, and the study runs once
    more.
    """
    for seed in (1, 2):
        study = Modelled(tmp_path / f"study-{seed}", STUDY, seed=seed)
        done = study.run(nvml_library, quiet=True)
        assert done.returncode == 0, done.stdout + done.stderr
        results = study.folder / "results"
        summary = (results / "comparison" / "summary.txt").read_text(encoding="utf-8")
        print(summary)  # which cells were disturbed, where what follows fails
        record = study.answers()
        if record.answers:
            break
    (answer,) = record.answers
    clock_mhz, stated = clock_of(lowest(answer)), lowest(answer).energy_ratio.value
    assert study.true_best_mhz("decode-8") == 810
    assert study.true_energy_j("decode-8", clock_mhz) <= 1.02 * study.true_energy_j("decode-8", 810)
    assert stated is not None
    # bench/dvfs holds two points; here one launch has windows of 10 s, beside whatever else the machine does
    assert abs(1 - stated - study.true_saving("decode-8", clock_mhz)) <= 0.03
    idle_w = {point.point.id: point.details.idle_at_point_w for point in answer.points if point.details is not None}
    known_w = [power for name in ("all-600", "all-1200", "stock") if (power := idle_w[name]) is not None]
    assert known_w == sorted(set(known_w)), "a lock is held while a cell's GPU is idle"
    assert record.modelled
    assert summary.startswith("MODELLED")
    assert "MODELLED" in (results / "report.html").read_text(encoding="utf-8")
    assert read_record(results / "answers" / "recommended_clocks.json", RecommendedClocks).modelled
