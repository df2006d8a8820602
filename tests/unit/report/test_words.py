import json
import re
from pathlib import Path

import pytest

from llmdvfs.records.compared import METRICS
from llmdvfs.report.words import all_words, words_of

GOLDEN = Path(__file__).parents[2] / "golden" / "disaggregated_small" / "result.json"
GATES = [gate["name"] for gate in json.loads(GOLDEN.read_text(encoding="utf-8"))["gates"]]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_name_in_both_languages(name: str) -> None:
    assert words_of("metric", name).en == METRICS[name].label
    assert words_of("metric", name).zh != name


@pytest.mark.parametrize("name", GATES)
def test_every_gate_is_explained_in_both_languages(name: str) -> None:
    assert name in all_words()["gate"]


def test_chinese_is_chinese() -> None:
    """All texts but those that are terms of the field in both languages."""
    same = {text.en for section in all_words().values() for text in section.values() if text.en == text.zh}
    assert same <= {"n", *(metric.label for metric in METRICS.values() if re.match("TTFT|TBT", metric.label))}


def test_a_gate_that_nobody_has_explained_stands_for_itself() -> None:
    assert words_of("gate", "a_new_gate") == ("a_new_gate", "a_new_gate")
