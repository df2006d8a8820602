"""`answer` and `explain` from files to files."""

import json
from pathlib import Path

import pytest
from fakes.sweeps import cell

from llmdvfs.__main__ import main
from llmdvfs.figures.answer_figures import ANSWER_FIGURES
from llmdvfs.records.store import write_record


def test_files_of_a_study_become_answers_and_an_explanation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = []
    for clock, energy_j, time_s in ((None, 1.0, 0.010), (1200, 0.8, 0.013), (1600, 0.83, 0.011)):
        for launch in (1, 2, 3):
            result, run = cell(clock, launch, energy_j, time_s)
            folder = tmp_path / result.cell.folder()
            write_record(folder / "result.json", result)
            write_record(folder / "raw" / "run.json", run)
            results.append(str(folder))
    out = tmp_path / "answers"
    recommended_file = out / "recommended_clocks.json"
    files = {"output": out / "answers.json", "csv": out / "answers.csv", "table": out / "answers.txt"}
    files |= {"recommended": recommended_file, "lookup": out / "lookup.csv", "figures": out}
    named = [word for option, name in files.items() for word in (f"--{option}", str(name))]
    cells = tmp_path / "cells.txt"
    cells.write_text("".join(f"{folder}\n" for folder in results))
    assert main(["answer", "--cells", str(cells), *named]) == 0
    recommended = json.loads(recommended_file.read_text())["recommendations"]
    assert [item["point"]["id"] for item in recommended] == ["clock-1600"]  # 0.83 <= 0.8 x 1.05, and faster
    assert len((out / "answers.csv").read_text().splitlines()) == 4  # a header and three points
    lookup = (out / "lookup.csv").read_text().splitlines()
    assert lookup[0].startswith("deployment,phase,batch_size,rate_rps,workload,point,single_sm_clock_mhz,")
    assert lookup[1].split(",")[:7] == ["single_tiny", "decode", "1", "", "decode", "clock-1600", "1600"]
    for name in ANSWER_FIGURES:
        assert (out / f"{name}.png").stat().st_size > 0
        assert (out / f"{name}.pdf").stat().st_size > 0
    assert main(["explain", str(tmp_path)]) == 0
    assert "run it at clock-1600" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["explain", "fleet --demand-rps 1 --price-kwh 0.2 --co2-kg-per-kwh 0.3"])
def test_a_study_without_answers_is_told_and_nobody_is_to_remove_its_results(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`explain results` of the default study said "Is a directory ... remove it and run again" of the results."""
    assert main([*command.split(), str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert (
        f"{tmp_path} has no answers/answers.json; expected the results of a study of several operating points" in told
    )
    assert "remove" not in told
