"""The page as a browser would read it, without a browser."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from fakes.records import Toy, fake_cell
from fakes.report import reported
from fakes.sweeps import sweep

from llmdvfs.answers.answer import answers
from llmdvfs.report.cells import ReportedCell, ReportedStudy
from llmdvfs.report.render import report_page

VOID = {"meta", "input", "br", "img", "link"}
HOSTILE = "</script><img src=http://evil.example/x onerror=alert(1)>\"'"


class Elements(HTMLParser):
    """Every element with its attributes, and the text of the data; raises where tags do not close as they opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.data = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"] and self.elements[-1][1].get("id") == "data":
            self.data += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    return Elements(page)


def test_nothing_is_asked_of_a_network(page: str, elements: Elements) -> None:
    assert not any("src" in attributes for _, attributes in elements.elements)
    links = [attributes["href"] for attributes in elements.of("a")]
    assert all(link.startswith(("#", "cells/")) for link in links)
    [policy] = [own["content"] for own in elements.of("meta") if own.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")


def test_the_verdict_comes_first(elements: Elements) -> None:
    headings = [own["id"] for own in elements.of("h2")]
    assert headings == ["verdict", "means", "ratios", "curves", "timeline", "gates", "cells", "machine", "read"]


def test_every_id_stands_once_and_every_inner_link_leads_to_one(elements: Elements) -> None:
    ids = [attributes["id"] for _, attributes in elements.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = {own["href"][1:] for own in elements.of("a") if own["href"].startswith("#")}
    assert inner <= set(ids)


def test_every_word_stands_in_both_languages(elements: Elements) -> None:
    languages = [own["lang"] for own in elements.of("span") if own.get("lang") in ("en", "zh-CN")]
    assert languages.count("en") == languages.count("zh-CN") > 100


def test_tables_can_be_sorted_and_read_aloud(elements: Elements) -> None:
    columns = [own for own in elements.of("th") if own["scope"] == "col"]
    assert all(own["aria-sort"] == "none" for own in columns)
    scrolled = [own for own in elements.of("div") if own.get("class") == "scroll"]
    assert all(own["tabindex"] == "0" and own["role"] == "region" for own in scrolled)


def test_the_failed_gate_says_what_to_do(page: str) -> None:
    """The made-up gate of tests/fakes: seen `3 %`, expected `< 1 %`, remedy `free a core`."""
    gates = page.split('<h2 id="gates">')[1].split("<h2")[0]
    for text in ("missed_samples", "Readings of the sensors are missing", "free a core", ">3 %</", ">&lt; 1 %</"):
        assert text in gates


def test_every_planned_cell_leads_to_its_records(study: ReportedStudy, elements: Elements) -> None:
    links = {own["href"] for own in elements.of("a")}
    for row in study.comparison.cells:
        assert f"cells/{row.cell.folder()}/raw/" in links


def test_equal_records_give_equal_pages(study: ReportedStudy, page: str) -> None:
    assert report_page(study) == page


def hostile_study() -> ReportedStudy:
    """Return a study in which a device, a command, a version, a gate and a warning try to be markup."""
    made = fake_cell(Toy(gpu=True, gate_fails=True))
    [instance] = made.run.server_start.instances
    started = replace(instance, argv=("vllm", HOSTILE), env={"NAME": HOSTILE})
    start = replace(made.run.server_start, instances=(started,), engine_versions={"vllm": HOSTILE})
    run = replace(made.run, server_start=start, hardware={"cpu_model": HOSTILE, "gpus": [HOSTILE]})
    gate = replace(made.result.gates[0], seen=HOSTILE, remedy=HOSTILE)
    result = replace(made.result, gates=(gate,), warnings=(HOSTILE,))
    own = reported([replace(made, run=run, result=result)])
    timeline = made.timeline.assign(device_id=HOSTILE)
    return replace(own, cells=(ReportedCell(result, run, timeline),))


def test_names_from_outside_are_text() -> None:
    page = report_page(hostile_study())
    elements = Elements(page)
    assert elements.of("img") == []
    assert not any(name.startswith("on") for _, attributes in elements.elements for name in attributes)
    assert json.loads(elements.data)["timelines"][0]["curves"][0][1] == HOSTILE


def test_a_study_of_clocks_says_which_to_set() -> None:
    """At 1200 MHz a token costs 0.8 of stock's energy and 1.1 of its time, in three launches that agree to 1 %."""
    measured = sweep({None: 1.0, 1200: 0.8, 1500: 0.9}, {None: 1.0, 1200: 1.1, 1500: 1.05})
    own = replace(reported([]), answers=answers(measured))
    page = report_page(own)
    section = page.split('<h2 id="clocks">')[1].split("<h2")[0]
    assert "lowest energy" in section
    assert "clock-1200" in section
    assert "20.0 % [" in section
    assert 'href="#clocks"' in page


def test_what_to_mind_is_said_once_an_answer_below_its_rules() -> None:
    """All flags stood in each of four rows, in a column so narrow that a row was taller than the window."""
    measured = sweep({None: 1.0, 1200: 0.8, 1500: 0.9}, {None: 1.0, 1200: 1.1, 1500: 1.05})
    section = report_page(replace(reported([]), answers=answers(measured))).split('<h2 id="clocks">')[1].split("<h2")[0]
    assert section.count("1200 MHz is the lowest setting measured") == 1
    assert "single_tiny, decode: " in section.split("</table>")[1]


def test_a_load_without_an_answer_says_why() -> None:
    """Where no clock could be set the section had the head of a table and nothing else."""
    own = replace(reported([]), answers=answers(sweep({None: 1.0}, {None: 1.0})))
    section = report_page(own).split('<h2 id="clocks">')[1].split("<h2")[0]
    assert "only stock was measured, and from stock alone no clock can be recommended" in section
    assert "只测量了 stock" in section
    assert "<table" not in section


def test_a_cell_leads_to_its_folder_whether_figures_were_drawn_or_not(elements: Elements) -> None:
    """With `figures: {cells: none}` every cell had a link to a timeline.png that nobody had drawn."""
    links = [attributes["href"] or "" for attributes in elements.of("a")]
    assert not [link for link in links if link.endswith(".png")]
    assert "cells/single_tiny/prefill/stock/launch-1/" in links


def test_a_study_without_any_result_has_a_page() -> None:
    assert "nothing was measured" in report_page(reported([]))
