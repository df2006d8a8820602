"""The results folder as an RO-Crate: what the specification asks, and that nothing is named that is not there."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.records import Toy, fake_cell
from fakes.report import reported

from llmdvfs.__main__ import main
from llmdvfs.records.store import write_record
from llmdvfs.report.crate import crate

CELLS = [fake_cell(Toy("single", launch=launch, duration_s=0.5)) for launch in (1, 2)]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for cell in CELLS:
        folder = tmp_path / "cells" / cell.result.cell.folder()
        write_record(folder / "result.json", cell.result)
        write_record(folder / "raw" / "run.json", cell.run)
    write_record(tmp_path / "comparison" / "comparison.json", reported(CELLS).comparison)
    (tmp_path / "report.html").write_text("page")
    return tmp_path


def entities(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in content["@graph"]}


def referred(value: Any) -> set[str]:
    if isinstance(value, dict):
        inner = {name for item in value.values() for name in referred(item)}
        return inner | ({value["@id"]} if set(value) == {"@id"} else set())
    return {name for item in value for name in referred(item)} if isinstance(value, list) else set()


def test_a_results_folder_becomes_a_crate(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crate", str(results)]) == 0
    assert "ro-crate-metadata.json: 6 files of 2 cells" in capsys.readouterr().out
    found = entities(json.loads((results / "ro-crate-metadata.json").read_text()))
    files = {name for name, entity in found.items() if entity["@type"] == "File"}
    assert {"report.html", "comparison/comparison.json"} < files
    assert all((results / name).is_file() for name in files)
    assert found["report.html"]["contentSize"] == "4"
    assert found["report.html"]["encodingFormat"] == "text/html"


def test_the_descriptor_and_the_root_are_those_of_the_specification() -> None:
    content = crate(reported(CELLS).comparison, [cell.run for cell in CELLS], {"report.html": 1})
    found = entities(content)
    assert content["@context"] == "https://w3id.org/ro/crate/1.1/context"
    assert found["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    assert {"name", "description", "datePublished", "hasPart"} <= found["./"].keys()
    assert found["./"]["description"] == " ".join(reported(CELLS).comparison.verdict)
    outside = {name for name in referred(content["@graph"]) if name.startswith("https://w3id.org/ro/crate")}
    assert referred(content["@graph"]) - outside <= found.keys()
    assert len(found) == len(content["@graph"])  # every id once
    assert found["#vllm-0.32.0"]["softwareVersion"] == "0.32.0"
