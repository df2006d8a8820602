"""The stored results of three GPU studies: what stands beside them is what this program makes of their values."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from llmdvfs.comparison.words.text import comparison_text

RESULTS = Path(__file__).parents[3] / "docs" / "results"


@pytest.fixture(scope="module")
def remake() -> ModuleType:
    spec = importlib.util.spec_from_file_location("remake", RESULTS / "remake.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", ["h200-qwen3-8b", "h100-two", "h100-batch"])
def test_the_summary_is_that_of_the_values(folder: str, remake: ModuleType) -> None:
    """A difference that is meant: `python docs/results/remake.py`, look at the diff and at the page, commit both."""
    record = remake.record_of(RESULTS / folder / "comparison.csv")
    assert (RESULTS / folder / "summary.txt").read_text(encoding="utf-8") == comparison_text(record)


def test_the_verdict_relates_equal_numbers_of_gpus(remake: ModuleType) -> None:
    """One GPU is the baseline of the tables; the fair one of two GPUs is the first deployment that has two."""
    record = remake.record_of(RESULTS / "h200-qwen3-8b" / "comparison.csv")
    nixl = next(sentence for sentence in record.verdict if "nixl" in sentence)
    assert nixl.startswith(
        "At equal GPUs (2) and 64 in flight (load-64), disaggregated-1p1d-nixl against replicated-2: 6 % more [5, 7] "
    )
    # 0.2605 / 0.2460 J a token and 4028 / 5365 tokens/s, from the page's own table
    assert "25 % fewer [23, 27] output tokens per second" in nixl


def test_one_launch_claims_nothing(remake: ModuleType) -> None:
    """0.2925 / 0.2518 J a token of one start each, and gates failed on both sides: told, and not claimed."""
    record = remake.record_of(RESULTS / "h100-two" / "comparison.csv")
    [said] = record.verdict
    assert "16 % more energy per output token, not significant with 1 launch (*)" in said
    page = (RESULTS / "h100-two" / "README.md").read_text(encoding="utf-8")
    assert "16 % more energy" in page
    assert {row.status for row in record.cells if "load-64" in row.cell.workload} == {"gate_failed"}


def test_two_launches_that_agree_by_chance_have_no_interval_of_a_thousandth(remake: ModuleType) -> None:
    """0.3173 and 0.3174 J a token: Student's interval was 0.1 % wide, narrower than any other, and least believable."""
    record = remake.record_of(RESULTS / "h200-qwen3-8b" / "comparison.csv")
    single = next(group for group in record.groups if group.workload == "load-16").deployments[0]
    mean = single.metrics["energy_per_output_token_j"].mean
    assert mean.high is not None
    assert mean.value is not None
    assert mean.high / mean.value > 1.005
