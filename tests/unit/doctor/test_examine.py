"""All of it, as `python -m llmdvfs doctor` prints it."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from unit.plan.test_config import CONFIG_FOLDER

from llmdvfs.__main__ import main
from llmdvfs.doctor.examine import OF_THE_HOST, OF_THE_STUDY
from llmdvfs.doctor.software import PACKAGES, engine
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study

CONFIG = str(CONFIG_FOLDER / "config.yaml")
EXTERNAL = ["architectures=external", "serving={base_url: 'http://127.0.0.1:1'}"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_study_that_can_run_ends_with_0_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--configfile", CONFIG, "--config", *EXTERNAL]) == 0
    printed = capsys.readouterr().out
    assert "nothing stops this study" in printed
    assert "external_tiny: 9 cells, 9 to be measured in 3 server starts" in printed
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_configuration_is_a_problem_beside_what_can_be_seen_without_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "--configfile", CONFIG, "--config", "launches=many"]) == 1
    printed = capsys.readouterr().out
    assert "1 problem stops this study" in printed
    assert re.search(r"problem +configuration", printed)
    assert "launches: 'many': expected integer" in printed
    assert re.search(r"ok +Python", printed)


def test_json_has_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--configfile", CONFIG, "--config", *EXTERNAL, "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == "llmdvfs/doctor-record"
    names = {check["name"] for check in record["checks"]}
    assert {"Python", "packages", "engine", "energy", "CPUs", "memory", "disk", "ports"} <= names
    assert all(check["advice"] for check in record["checks"] if check["status"] != "ok")


def test_files_are_merged_as_snakemake_merges_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("launches: 7\nserving: {base_url: 'http://127.0.0.1:1'}\n")
    main(["doctor", "--configfile", CONFIG, "mine.yaml", "--config", "architectures=external"])
    assert "21 to be measured in 7 server starts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [(["launches"], "--config launches: expected KEY=VALUE"), (["a={"], "--config a={: the value cannot be read")],
)
def test_a_wrong_word_on_the_command_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--configfile", CONFIG, "--config", *words]) == 1
    assert message in capsys.readouterr().err


def test_the_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((CONFIG_FOLDER.parent / "pyproject.toml").read_text())["project"]
    assert set(PACKAGES) == {re.split("[><=]", name)[0] for name in project["dependencies"]}


@pytest.mark.parametrize(
    ("device", "torch", "status"),
    [("cpu", "2.13.0+cpu", "ok"), ("cpu", "2.13.0+cu130", "problem"), ("cuda", "2.13.0+cpu", "problem"),
     ("cuda", "2.13.0", "ok")],
)  # fmt: skip
def test_the_build_of_torch_fits_the_device(device: str, torch: str, status: str) -> None:
    versions = {"vllm": "0.23.0", "torch": torch, "python": "3.11.7"}
    given = {"device": device, "workloads": _workloads()}
    study = make_study(complete_config(given), lambda python: versions)
    assert next(engine(study)).status == status


def _workloads() -> dict[str, object]:
    return {
        "one": {
            "prompts": {"prompt_tokens": 8, "output_tokens": 4},
            "arrival": {"kind": "closed", "concurrency": 1},
            "num_requests": 1,
        }
    }


def test_no_two_checks_have_one_name() -> None:
    assert not set(OF_THE_HOST) & set(OF_THE_STUDY)


def test_what_a_study_of_somebody_else_would_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A study file is code as much as data: it names a program, its arguments and its environment."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho \'{"vllm": "0.32.0", "torch": "2.13.0+cpu", "python": "3.12.3"}\'\n')
    python.chmod(0o755)
    engine = "{enable_prefix_caching: true, extra_args: [--trust-remote-code], env: {NCCL_DEBUG: INFO}}"
    main(["doctor", "--configfile", CONFIG, "--config", f"serving={{python: {python}, engine: {engine}}}"])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "programs" in line]
    for word in (f"runs {python} (serving.python)", "--trust-remote-code", "NCCL_DEBUG=...", "development endpoints"):
        assert word in line
