"""A wrong configuration, on the command line or in the file: one message, exit code 1, nothing started."""

import subprocess

import pytest
from workflow.conftest import Checkout


def assert_refused(run: subprocess.CompletedProcess[str], words: str) -> None:
    output = run.stdout + run.stderr
    assert run.returncode == 1
    assert words in output
    assert "Traceback" not in output
    assert "common.smk" not in output


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("launchs=3", "did you mean 'launches'"),
        ("launches=many", "launches: 'many': expected integer"),
        ("workloads=decode", "workloads: 'decode': expected mapping"),
        ("architectures=dual", "architecture 'dual' is not known"),
        ("models={'m': {'source': 'path', 'location': '/no/such/folder'}}", "'/no/such/folder' is not a folder"),
        ("serving={'api_key': 'sk-not-to-be-shown'}", "serving.api_key: does not belong in a configuration"),
    ],
)
def test_one_message_and_exit_code_1(finished: Checkout, override: str, words: str) -> None:
    run = finished.snakemake("--config", override)
    assert_refused(run, words)
    assert "sk-not-to-be-shown" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"launches: 3\nlaunches: 5\n", "config/config.yaml:2:1: key 'launches' is given twice"),
        (b"serving:\n\tgpus: [0]\n", "config/config.yaml:2:1: a tab; YAML is indented with spaces"),
        ("models: {modèle: {source: tiny}}\n".encode("latin-1"), "config/config.yaml:1: byte 0xe8 is not UTF-8"),
    ],
)
def test_a_broken_study_file_is_refused_by_line(finished: Checkout, content: bytes, words: str) -> None:
    file = finished.folder / "config" / "config.yaml"
    kept = file.read_bytes()
    file.write_bytes(content)
    try:
        run = finished.snakemake()
    finally:
        file.write_bytes(kept)
    assert_refused(run, words)


def test_a_study_over_its_budget_is_refused_until_it_is_confirmed(finished: Checkout) -> None:
    """Two further launches are missing, and what an endpoint draws is not known: its energy budget cannot be kept."""
    over = ("-n", "--config", "launches=9", "budget={'kwh': 1}")
    assert_refused(finished.snakemake(*over), "budget: kwh: 1: nothing tells what power this study draws")
    assert finished.snakemake(*over, "over_budget=true").returncode == 0


def test_putting_away_without_an_address_is_refused(finished: Checkout) -> None:
    """It said that all was done, and nothing was anywhere."""
    assert_refused(finished.snakemake("archived"), "llm-dvfs: archived: the study says no `archive`")
