"""The Chinese of what records say in English: all of it is there, for what the code says today, and nothing else.

The sentences are read off the code as xgettext would: texts and f-strings, `{}` for each value.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fakes.records import Toy, fake_cell
from fakes.report import reported
from fakes.sweeps import sweep

import llmdvfs
from llmdvfs.answers.answer import answers
from llmdvfs.records.answers import Flag
from llmdvfs.records.result import Gate
from llmdvfs.report.cells import ReportedStudy
from llmdvfs.report.render import report_page
from llmdvfs.report.sentences import SENTENCES_FILE, in_chinese
from llmdvfs.report.words import all_words

LIBRARY = Path(llmdvfs.__file__).parent
SENTENCES: dict[str, dict[str, str]] = tomllib.loads(SENTENCES_FILE.read_text(encoding="utf-8"))
WHOLE = ("analysis/", "answers/", "comparison/")
"""Rooms of which every sentence has to be there; of others those that become warnings of a cell."""
ENGLISH = re.compile(r"[A-Za-z]{2,}(?:[ ,;]+[a-z]{2,}){2}")
"""Three words of which the others are no names: a piece of an English sentence."""


def texts(module: str) -> Iterator[tuple[str, bool]]:
    """Yield every text of a module, and whether a reader of the page may meet it.

    Not met: docstrings, the log, errors, and why a gate does not apply, which no page shows.
    """
    tree = ast.parse((LIBRARY / module).read_text(encoding="utf-8"))
    inside, unmet = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            inside |= {id(own) for value in node.values for own in _pieces(value)}
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _called(node) in ("not_applicable", "LOG")):
            unmet |= {id(own) for own in ast.walk(node)}
    for node in ast.walk(tree):
        text = _text(node)
        if text is not None and id(node) not in inside:
            words = re.findall(r"[A-Za-z]{2,}", text)
            yield text, id(node) not in unmet and len(words) > 1 and " " in text


def _pieces(value: ast.expr) -> Iterator[ast.AST]:
    """Yield what of a part of an f-string is no text by itself: literal text, and how a value is written."""
    if isinstance(value, ast.FormattedValue):
        yield from ast.walk(value.format_spec) if value.format_spec else ()
    else:
        yield value


def _called(call: ast.Call) -> str:
    named = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return named.id if isinstance(named, ast.Name) else ""


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(own.value if isinstance(own, ast.Constant) else "{}" for own in node.values)
    return None


@pytest.mark.parametrize("module", SENTENCES)
def test_what_is_translated_is_what_the_module_says(module: str) -> None:
    said = dict(texts(module))
    assert SENTENCES[module].keys() <= said.keys()
    if module.startswith(WHOLE):
        assert {text for text, is_met in said.items() if is_met} <= SENTENCES[module].keys()


def test_every_gate_is_among_them() -> None:
    gates = {f"analysis/gates/{path.name}" for path in (LIBRARY / "analysis" / "gates").glob("*.py")}
    silent = {"analysis/gates/__init__.py", "analysis/gates/cell.py", "analysis/gates/limits.py"}
    assert gates - silent - {"analysis/gates/verdict.py"} <= SENTENCES.keys()


@pytest.mark.parametrize(("english", "chinese"), [(en, zh) for own in SENTENCES.values() for en, zh in own.items()])
def test_every_value_has_its_place(english: str, chinese: str) -> None:
    places = {int(own) for own in re.findall(r"\{(\d)\}", chinese)}
    assert places == set(range(english.count("{}")))


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("warm the device up for longer before the cell", "在单元开始之前让设备多预热一会儿"),
        (
            "gpu0 1400 for 1200 MHz, gpu1 not read for 500 to 1200 MHz",
            "gpu0 1400，要求 1200 MHz，gpu1 未读到，要求 500 至 1200 MHz",
        ),
        (
            "45% of 2 CPUs under load: cc1plus (4711) 0.85 CPUs; 50% before it",
            "负载期间占用 2 个 CPU 的 45%：cc1plus (4711) 0.85 CPUs；负载之前 50%",
        ),
        (
            "prefill 100 W for 80 W (+25.0%, at most 90 W, waits of 20 ms)",
            "prefill 100 W，实测 80 W（+25.0%，最多 90 W，等待 20 ms）",
        ),
        ("12.0% of TTFT, 30.0% of gap p99", "TTFT 的 12.0%，间隔 p99 的 30.0%"),
        (
            "single/decode/stock: the client's own error at this load is not known: its calibration failed 3 times: "
            "ServerDied: it was killed (launch 1; 2 more like it)",
            "single/decode/stock：客户端在这种负载下的误差不明："
            "校准失败 3 次：ServerDied: it was killed（第 1 次启动；另有 2 次类似）",
        ),
        ("", ""),
    ],
    ids=["whole", "list", "ending", "parentheses", "short parts", "the words of an error stay", "nothing"],
)
def test_a_sentence_of_a_record_in_chinese(english: str, chinese: str) -> None:
    """Values stay, lists are told part by part, and what another program said is left as it was said."""
    assert in_chinese(english) == chinese


def test_an_unknown_sentence_is_left_alone() -> None:
    assert in_chinese("the moon, as ever; was full") == "the moon, as ever; was full"


class InChinese(HTMLParser):
    """What a reader of the Chinese page reads: all but English twins, and what machines wrote or are given."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hidden: list[bool] = []
        self.read: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "br"):
            self.hidden.append(
                (dict(attrs).get("lang") == "en" and tag == "span") or tag in ("script", "style", "pre", "title")
            )

    def handle_endtag(self, tag: str) -> None:
        self.hidden.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.hidden):
            self.read.append(data)


def doubtful_study() -> ReportedStudy:
    """Return a study with every gate failed, every sentence of a gate, every caveat and warning, and every flag."""
    made = fake_cell(Toy(gpu=True, duration_s=0.5))
    said = {module: [text.replace("{}", "7") for text in own] for module, own in SENTENCES.items()}
    of_gates = [text for module, own in said.items() if module.startswith("analysis/") for text in own]
    gates = [Gate(name, "failed", text, text, text) for name in all_words()["gate"] for text in of_gates]
    study = reported([made])
    [cell] = study.cells
    of_cells = [text for module, own in said.items() if not module.startswith("answers/") for text in own]
    comparison = replace(study.comparison, warnings=tuple(f"single_tiny/concurrent: {text}" for text in of_cells))
    measured = answers(sweep({None: 1.0, 1200: 0.8, 1500: 0.9}, {None: 1.0, 1200: 1.1, 1500: 1.05}))
    flags = tuple(Flag("edge", text) for module, own in said.items() if module.startswith("answers/") for text in own)
    return ReportedStudy(
        comparison=comparison,
        cells=(replace(cell, result=replace(cell.result, gates=tuple(gates))),),
        answers=replace(measured, answers=tuple(replace(own, flags=flags) for own in measured.answers)),
    )


def test_no_english_sentence_is_left_in_the_chinese_page() -> None:
    """It was: caveats, and what gates saw, expected and advised, stood there in English."""
    read = InChinese(report_page(doubtful_study())).read
    assert any("让设备多预热一会儿" in text for text in read)
    assert [text for text in read if ENGLISH.search(text)] == []
