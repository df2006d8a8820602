"""`show` and `compare A B`: records in words, from files as a study leaves them."""

import json
from pathlib import Path

import pytest
from unit.comparison.studies import compared, two_deployments

from llmdvfs.__main__ import main
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.records.store import write_record

GOLDEN = Path(__file__).parents[2] / "golden" / "disaggregated_small"


def results_folder(path: Path, cells: list[MeasuredCell]) -> Path:
    for cell in cells:
        folder = path / "cells" / cell.run.cell.folder()
        write_record(folder / "result.json", cell.result)
        write_record(folder / "raw" / "run.json", cell.run)
    return path


def shown(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["show", str(path)]) == 0
    return capsys.readouterr().out


def test_a_cell_is_shown_with_its_numbers_and_what_to_do_about_its_gates(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(GOLDEN / "result.json", capsys)
    assert "  TTFT                     158     44.02     43.99" in text
    assert "energy (nvml_counter): 2820 J, 467.4 W, 1.116 J per output token" in text
    assert "! gate failed: steady_window:" in text
    assert "make the run longer" in text
    judged = [gate["status"] for gate in json.loads((GOLDEN / "result.json").read_text())["gates"]]
    passed, failed = judged.count("passed"), judged.count("failed")
    assert text.endswith(f"\n{passed} of {passed + failed} gates passed\n")
    assert text.count("! gate failed: ") == failed


def test_a_results_folder_is_shown_by_its_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(tmp_path / "comparison" / "comparison.json", compared(two_deployments([1.0, 1.1], [2.0, 2.1])))
    assert "TTFT p50 (ms), lower is better" in shown(tmp_path, capsys)


@pytest.mark.parametrize("name", ["raw/run.json", "phases.json", "raw/load_report.json", "raw/requests.jsonl"])
def test_any_other_record_is_an_outline_with_units(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(shown(GOLDEN / name, capsys).splitlines()) > 5


def test_what_was_not_measured_is_none_and_long_lists_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"ttft_s": None, "power_w": 12.5, "cells": [{"a": 1}] * 20, "valid": True, "values": list(range(50))}
    (tmp_path / "x.json").write_text(json.dumps(data))
    lines = shown(tmp_path / "x.json", capsys).splitlines()
    assert lines[:2] == ["ttft_s: none", "power_w: 12.5 W"]
    assert "cells: 20" in lines
    assert "  ... 12 more" in lines
    assert "valid: yes" in lines
    assert lines[-1].startswith("values: 50: 0, 1, 2")


def test_what_is_no_record_is_refused_with_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text("not JSON")
    assert main(["show", str(tmp_path / "x.json")]) == 1
    assert main(["show", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "x.json: cannot be read as JSON" in told
    assert "has none of comparison/comparison.json" in told
    assert "expected the results of a run of `snakemake`" in told


def test_a_device_is_not_read_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """`show /dev/zero` took all memory of the machine."""
    assert main(["show", "/dev/null"]) == 1
    assert "/dev/null: is no file" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["lens", "export --output x.json"])
def test_what_is_not_there_is_not_to_be_removed(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), str(tmp_path)]) == 1
    assert "load_spec.json: cannot be read as JSON (No such file or directory)" in (told := capsys.readouterr().err)
    assert "remove" not in told


def test_two_folders_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = results_folder(tmp_path / "before", two_deployments([1.0, 1.01], [2.0, 2.01]))
    second = results_folder(tmp_path / "after", two_deployments([1.5, 1.51], [2.0, 2.01]))
    assert main(["compare", str(first), str(second), "--output", str(tmp_path / "comparison.json")]) == 0
    text = capsys.readouterr().out
    assert "single_tiny, concurrent, stock" in text
    assert "after against before" in text
    assert "TTFT p50 (ms), lower is better" in shown(tmp_path / "comparison.json", capsys)


def test_a_list_or_two_folders_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path)]) == 1
    assert main(["compare", str(tmp_path), str(tmp_path), "--cells", "x"]) == 1
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    told = capsys.readouterr().err
    assert "expected two results folders, or --cells" in told
    assert "expected the results folder of a study that was measured and analysed" in told
