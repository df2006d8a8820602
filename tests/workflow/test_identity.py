"""What a measurement is: edits and what they plan, whatever has happened to Snakemake's memory and to time stamps."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow.conftest import Checkout, copy_checkout

LIBRARY = "workflow/llmdvfs"
TEXTS = '{"prompt": "One two three four."}\n{"prompt": "Five six seven eight."}\n'
TRACE = '{{"timestamp": 0, "input_length": 16, "output_length": {}, "hash_ids": [0]}}\n'
MOVED_MODULE = (
    '"""Health, under another name."""\n\nfrom llmdvfs.serving.instance.health_moved import *  # noqa: F403\n'
)


def study(base_url: str) -> dict[str, Any]:
    """One workload a source of prompts: random, a data set, a trace, the fixed Chinese set."""
    closed: dict[str, Any] = {
        "arrival": {"kind": "closed", "concurrency": 2},
        "num_requests": 8,
        "num_warmup_requests": 0,
    }
    trace = {"kind": "trace", "trace_path": "data/trace.jsonl", "trace_format": "mooncake"}
    lengths = {"prompt_tokens": {"kind": "trace"}, "output_tokens": {"kind": "trace"}}
    return {
        "launches": 1,
        "architectures": ["external"],
        "workloads": {
            "random": {"prompts": {"prompt_tokens": 16, "output_tokens": 4}, **closed},
            "texts": {"prompts": {"source": "jsonl", "path": "data/texts.jsonl", "output_tokens": 4}, **closed},
            "chinese": {"prompts": {"source": "chinese", "output_tokens": 4}, **closed},
            "traced": {"prompts": {"source": "random", **lengths}, "arrival": trace, "num_warmup_requests": 0},
        },
        "serving": {"base_url": base_url},
        "measure": {"idle_s": 0.1, "calibrate_client": False},
        "figures": {"cells": "none"},
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> Checkout:
    """A study that has been measured, analysed and compared. Tests leave it as they found it."""
    checkout = copy_checkout(tmp_path_factory.mktemp("measured"), endpoint)
    (checkout.folder / "data").mkdir()
    (checkout.folder / "data" / "texts.jsonl").write_text(TEXTS)
    (checkout.folder / "data" / "trace.jsonl").write_text(TRACE.format(4))
    write_study(checkout, study(endpoint))
    run = checkout.snakemake("compare")
    assert run.returncode == 0, run.stdout + run.stderr
    return checkout


def write_study(checkout: Checkout, content: dict[str, Any]) -> None:
    (checkout.folder / "config" / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


@contextmanager
def kept(*paths: Path) -> Iterator[None]:
    """Have files as they were, afterwards."""
    before = {path: path.read_bytes() if path.exists() else None for path in paths}
    try:
        yield
    finally:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)


ALL = {"random", "texts", "chinese", "traced"}
CHANGES_OF_CONFIG: list[tuple[str, dict[str, Any], set[str]]] = [
    # must measure again
    ("prompt length", {"workloads": {"random": {"prompts": {"prompt_tokens": 900, "output_tokens": 64}}}}, {"random"}),
    ("concurrency", {"workloads": {"texts": {"arrival": {"concurrency": 3}}}}, {"texts"}),
    ("seed", {"seed": 8}, ALL),
    ("idle window", {"measure": {"idle_s": 0.2}}, ALL),
    ("remeasure", {"remeasure": "again"}, ALL),
    # must not
    ("latency limits", {"workloads": {"random": {"slo": {"ttft_s": 0.5}}}}, set()),
    ("tolerated failures", {"workloads": {"random": {"max_failed_fraction": 0.1}}}, set()),
    ("balancer of one instance", {"serving": {"balancer": "random"}}, set()),
    ("patience", {"serving": {"startup_timeout_s": 5}}, set()),
    ("gates", {"gates": {"min_window_s": 9}}, set()),
]


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in change.items():
        result[key] = merged(base[key], value) if isinstance(value, dict) and key in base else value
    return result


@pytest.mark.parametrize(
    ("change", "expected"), [row[1:] for row in CHANGES_OF_CONFIG], ids=[r[0] for r in CHANGES_OF_CONFIG]
)
def test_edits_of_the_configuration(
    measured: Checkout, endpoint: str, change: dict[str, Any], expected: set[str]
) -> None:
    with kept(measured.folder / "config" / "config.yaml"):
        write_study(measured, merged(study(endpoint), change))
        assert measured.to_measure() == expected


EDITS_OF_FILES = [
    # must measure again
    ("a data set", "data/texts.jsonl", "Five six", "Nine ten", {"texts"}),
    ("a trace", "data/trace.jsonl", '"output_length": 4', '"output_length": 5', {"traced"}),
    ("the fixed prompts", f"{LIBRARY}/inputs/chinese_prompts.json", "请", "请您", {"chinese"}),
    (
        "the measuring version",
        f"{LIBRARY}/plan/measuring.py",
        "MEASURING_VERSION = ",
        "MEASURING_VERSION = 1000 + ",
        ALL,
    ),
    # must not
    ("a message", f"{LIBRARY}/serving/instance/causes.py", "name an address of", "give an address of", set()),
    ("a comment", f"{LIBRARY}/load/run.py", "\nimport asyncio", "\n# why\nimport asyncio", set()),
    ("a figure", f"{LIBRARY}/figures/cell_latency.py", "Share at or below", "Share below or at", set()),
]


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"), [r[1:] for r in EDITS_OF_FILES], ids=[r[0] for r in EDITS_OF_FILES]
)
def test_edits_of_files(measured: Checkout, path: str, old: str, new: str, expected: set[str]) -> None:
    with kept(measured.folder / path):
        measured.edit(path, old, new)
        assert measured.to_measure() == expected


def test_another_endpoint_measures_again(measured: Checkout, endpoint: str) -> None:
    with kept(measured.folder / "config" / "config.yaml"):
        write_study(measured, merged(study(endpoint), {"serving": {"base_url": "http://127.0.0.1:9"}}))
        assert measured.to_measure() == ALL


def test_a_renamed_and_a_moved_file_measure_nothing(measured: Checkout, endpoint: str) -> None:
    room = measured.folder / LIBRARY / "serving" / "instance"
    with kept(room / "health.py", room / "health_moved.py"):
        (room / "health.py").rename(room / "health_moved.py")
        (room / "health.py").write_text(MOVED_MODULE)
        assert measured.to_measure() == set()
    data, moved = measured.folder / "data" / "texts.jsonl", measured.folder / "data" / "moved.jsonl"
    with kept(measured.folder / "config" / "config.yaml", data, moved):
        data.rename(moved)
        write_study(
            measured, merged(study(endpoint), {"workloads": {"texts": {"prompts": {"path": "data/moved.jsonl"}}}})
        )
        assert measured.to_measure() == set()


# ---- whatever has happened to Snakemake's memory, to time stamps, to the folder


def copied(checkout: Checkout, folder: Path) -> Checkout:
    """A copy as `cp -r` makes it: links stay links, every time stamp is new."""
    shutil.copytree(checkout.folder, folder, symlinks=True, copy_function=shutil.copyfile)
    return Checkout(folder)


def touched(checkout: Checkout) -> None:
    for path in (checkout.folder / "results").rglob("*"):
        os.utime(path, follow_symlinks=False)


@pytest.mark.parametrize("happened", ["memory lost", "mtime alone", "copied and touched"])
def test_a_changed_workload_is_measured_whatever_happened(
    measured: Checkout, endpoint: str, tmp_path: Path, happened: str
) -> None:
    """After `rm -rf .snakemake` a workload of 900+64 tokens in place of 48+32 planned no benchmark, exit 0, and the old
    numbers were printed under the new name.
    """
    checkout = copied(measured, tmp_path / "checkout")
    arguments = ["--rerun-triggers", "mtime"] if happened == "mtime alone" else []
    if happened != "mtime alone":
        shutil.rmtree(checkout.folder / ".snakemake")
    if happened == "copied and touched":
        touched(checkout)
    assert checkout.to_measure(*arguments) == set()
    longer = {"prompts": {"prompt_tokens": 900, "output_tokens": 64}}
    write_study(checkout, merged(study(endpoint), {"workloads": {"random": longer}}))
    assert checkout.to_measure(*arguments) == {"random"}


def test_there_and_back_again_shows_each_studys_own_numbers(measured: Checkout, endpoint: str, tmp_path: Path) -> None:
    """Back at the first configuration its measurement is in the store; what was made of the other must not stand."""
    checkout = copied(measured, tmp_path / "checkout")
    result = checkout.folder / "results/cells/external_tiny/random/stock/launch-1/result.json"
    first, other = study(endpoint), merged(study(endpoint), {"workloads": {"random": {"num_requests": 9}}})
    num_requests = []
    for content in (first, other, first):
        write_study(checkout, content)
        shutil.rmtree(checkout.folder / ".snakemake", ignore_errors=True)
        touched(checkout)
        run = checkout.snakemake("analysed")
        assert run.returncode == 0, run.stdout + run.stderr
        num_requests.append(result.read_text().split('"num_requests": ')[1].split(",")[0])
    assert num_requests == ["8", "9", "8"]
    assert len(list((checkout.folder / "results" / "store").iterdir())) == 5


@pytest.mark.parametrize("target", ["compare", "summary"])
def test_a_comparison_of_other_cells_does_not_stand(
    measured: Checkout, endpoint: str, tmp_path: Path, target: str
) -> None:
    """With Snakemake's memory lost, a study without a workload showed the comparison of the study that had it."""
    checkout = Checkout(tmp_path / "checkout")
    shutil.copytree(measured.folder, checkout.folder, symlinks=True)  # with its time stamps
    shutil.rmtree(checkout.folder / ".snakemake")
    fewer = study(endpoint)
    del fewer["workloads"]["traced"]
    write_study(checkout, fewer)
    run = checkout.snakemake(target)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "traced" not in (checkout.folder / "results" / "comparison" / "comparison.csv").read_text()


def test_a_link_that_was_bent_is_refused(measured: Checkout, tmp_path: Path) -> None:
    checkout = copied(measured, tmp_path / "checkout")
    cells = checkout.folder / "results" / "cells" / "external_tiny"
    raw, other = (cells / name / "stock" / "launch-1" / "raw" for name in ("random", "texts"))
    raw.unlink()
    raw.symlink_to(other.readlink())
    run = checkout.snakemake("-n")
    assert run.returncode == 1
    assert "somebody has changed one of them; remove results/cells/external_tiny/random" in run.stdout + run.stderr
