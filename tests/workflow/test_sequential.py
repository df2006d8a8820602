"""`python -m llmdvfs sequential` and `reproduce` as a user starts them: real Snakemake, scripted servers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from fakes.vllm_server import python_with_fake_vllm

from llmdvfs.models.tiny import write_tiny_model
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.places import added_launches_file, comparison_file
from llmdvfs.records.sequential import SequentialRecord
from llmdvfs.records.store import read_record

CHECKOUT = Path(__file__).parents[2]
RUN_LIMIT_S = 600  # of a machine that does other things too
STUDY = {
    "launches": 3,
    "architectures": ["single"],
    "workloads": {
        "decode": {
            "prompts": {"prompt_tokens": 16, "output_tokens": 8},
            "arrival": {"kind": "closed", "concurrency": 2},
            "duration_s": 1.0,
            "num_warmup_requests": 0,
        }
    },
    # narrower than any two launches agree: it ends at the most launches
    "sequential": {"half_width_fraction": 1e-9, "max_launches": 4, "metrics": ["output_token_rate_per_s"]},
    "measure": {"idle_s": 0.3, "calibrate_client": False},
    "figures": {"cells": "none"},
}


def test_launches_are_added_by_one_command_and_a_stored_cell_is_measured_again(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model", 0)
    (tmp_path / "tmp").mkdir()
    study = {**STUDY, "models": {"m": {"source": "path", "location": str(tmp_path / "model")}}}
    study["serving"] = {"python": python_with_fake_vllm(tmp_path), "engine": {"cpu_kv_cache_gib": 1}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    for part in ("workflow", "profiles", "envs"):
        shutil.copytree(CHECKOUT / part, tmp_path / part)
    shutil.copy2(CHECKOUT / "Snakefile", tmp_path)
    own = {"TMPDIR": str(tmp_path / "tmp"), "LLMDVFS_LOCK_FOLDER": str(tmp_path / "tmp"), "FAKE_VLLM": str(tmp_path)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", *arguments]
        environment = os.environ | own | {"PYTHONPATH": str(tmp_path / "workflow")}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    said = run("llmdvfs", "sequential", "--configfile", "study.yaml", "--", "--until", "compare")
    assert "sequential: 3 launches, widest ±" in said
    assert "sequential: ended at max_launches, and an interval is still wider: 4 launches" in said
    results = tmp_path / "results"
    assert read_record(added_launches_file(results), SequentialRecord).num_launches == 4
    comparison = read_record(comparison_file(results), ComparisonRecord)
    assert [row.cell.launch for row in comparison.cells] == [1, 2, 3, 4]
    planned = run("snakemake", "compare", "-n", "--cores", "1", "--configfile", "study.yaml")
    assert "Nothing to be done" in planned

    # one of its cells measured again, in a folder of its own: scripted servers are as fast as before
    again = ("--cell", "single_m/decode", "--launches", "2", "--margin", "0.5", "--metrics", "output_token_rate_per_s")
    said = run("llmdvfs", "reproduce", "results", *again, "--configfile", "study.yaml")
    assert "single_m/decode/stock: stored in results -> measured again" in said
    assert "1 of 1 reproduced within 50 %, 0 differ, 0 open" in said
    assert len(list((tmp_path / "results_reproduced" / "store").iterdir())) == 2
