"""The page in Chromium: at both widths, light and dark, in both languages; skipped where there is none.

Needs envs/dev.lock and a Chromium: one on PATH, or `playwright install chromium`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="envs/dev.lock is not installed")

import pandas as pd
from axe_playwright_python.sync_playwright import Axe
from fakes.records import Toy, fake_cell
from fakes.report import reported
from playwright.sync_api import Browser, Error, Page, sync_playwright

from llmdvfs.records.point import AppliedPoint
from llmdvfs.report.render import report_page

BUSY_MACHINE_MS = 180_000
SYSTEM_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=SYSTEM_CHROMIUM, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium here: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


class Opened:
    """The page in a window, and what it complained of or asked for."""

    def __init__(self, browser: Browser, file: Path, width: int = 1280, scheme: str = "light", locale: str = "en-US"):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale=locale)
        self.context.set_default_timeout(BUSY_MACHINE_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("#timeline-plot .main-svg")

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize(
    ("width", "scheme", "locale"),
    [(1280, "light", "en-US"), (1280, "dark", "zh-CN"), (390, "light", "zh-CN"), (390, "dark", "en-US")],
)
def test_it_opens_without_a_complaint(browser: Browser, file: Path, width: int, scheme: str, locale: str) -> None:
    with Opened(browser, file, width, scheme, locale) as opened:
        assert opened.complaints == []
        assert opened.requests == [file.as_uri()]
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.page.get_attribute("html", "data-language") == locale[:2]
        assert Axe().run(opened.page).response["violations"] == []
        background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 27)")


def test_curves_and_timelines_are_drawn(browser: Browser, file: Path) -> None:
    with Opened(browser, file) as opened:
        page = opened.page
        assert page.locator("#curve-plot .scatterlayer .trace").count() >= 2
        for over in page.locator("#curve-over option").evaluate_all("own => own.map(o => o.value)"):
            page.select_option("#curve-over", over)
            assert page.locator("#curve-plot .scatterlayer .trace path.point").count() > 0, over
        assert page.locator("#timeline-plot .scatterlayer .trace").count() >= 4
        assert opened.complaints == []


def test_every_line_of_a_timeline_is_in_the_legend(browser: Browser, tmp_path: Path) -> None:
    """The CPU has no power to show, and so its clock was a dotted line that nobody named."""
    study = reported([fake_cell(Toy(gpu=True, duration_s=1.0))])
    [cell] = study.cells
    cpu = pd.DataFrame({"t_s": [0.0, 0.5], "device_id": "cpu", "cpu_clock_mhz": 2600.0})
    file = tmp_path / "report.html"
    timeline = pd.concat([cell.timeline, cpu])
    file.write_text(report_page(replace(study, cells=(replace(cell, timeline=timeline),))), encoding="utf-8")
    with Opened(browser, file) as opened:
        plot = opened.page.locator("#timeline-plot")
        drawn = plot.evaluate("own => [...new Set(own.data.map(trace => trace.name))].sort()")
        assert "cpu" in drawn
        assert sorted(plot.locator(".legendtext").all_text_contents()) == drawn


def test_curves_begin_where_something_was_measured(browser: Browser, tmp_path: Path) -> None:
    """A sweep that was not permitted opened with an empty chart of its first clock, and without a word."""
    refused, stock = fake_cell(Toy(gpu=True, clock_mhz=600, duration_s=1.0)), fake_cell(Toy(gpu=True, duration_s=1.0))
    run = replace(refused.run, applied=AppliedPoint("not_permitted", reason="no permission"))
    file = tmp_path / "report.html"
    file.write_text(report_page(reported([replace(refused, run=run), stock])), encoding="utf-8")
    with Opened(browser, file) as opened:
        page = opened.page
        assert page.locator("#curve-at option").all_inner_texts()[0] == "clock-600"
        assert page.input_value("#curve-at") == "stock"
        assert page.locator("#curve-plot .scatterlayer .trace path.point").count() > 0
        page.select_option("#curve-at", "clock-600")
        assert "not measured here" in (page.locator("#curve-plot").text_content() or "")


def test_a_heading_sorts_with_the_keyboard(browser: Browser, file: Path) -> None:
    with Opened(browser, file) as opened:
        heading = opened.page.locator("#table-ratios th.number button").first
        for direction, sign in (("ascending", 1), ("descending", -1)):
            heading.focus()
            opened.page.keyboard.press("Enter")
            values = opened.page.locator("#table-ratios tbody tr td.number:nth-last-child(2)").evaluate_all(
                "own => own.map(o => Number(o.dataset.sort))"
            )
            assert [sign * value for value in values] == sorted(sign * value for value in values)
            assert opened.page.locator("#table-ratios th[aria-sort]:not([aria-sort=none])").count() == 1
            assert opened.page.locator(f"#table-ratios th[aria-sort={direction}]").count() == 1


def test_a_filter_leaves_the_rows_that_have_all_its_words(browser: Browser, file: Path) -> None:
    with Opened(browser, file) as opened:
        opened.page.fill("[data-filters=table-cells]", "disaggregated decode")
        shown = opened.page.locator("#table-cells tbody tr:visible")
        assert shown.count() == 2  # its two launches
        assert opened.page.inner_text("[data-counts=table-cells]") == "2"


def test_a_point_leads_to_its_raw_records(browser: Browser, file: Path) -> None:
    with Opened(browser, file) as opened:
        page = opened.page
        page.locator("#curve-plot").scroll_into_view_if_needed()
        point = page.locator("#curve-plot .scatterlayer .trace path.point").first.bounding_box()
        page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
        page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
        page.wait_for_selector("tr.chosen")
        links = page.locator("tr.chosen a").evaluate_all("own => own.map(o => o.getAttribute('href'))")
        assert any(link.startswith("cells/single_tiny/") and link.endswith("/raw/") for link in links)
        assert page.input_value("#timeline-cell") == page.locator("tr.chosen").first.get_attribute("id")


def test_the_language_and_the_theme_change_at_a_button(browser: Browser, file: Path) -> None:
    with Opened(browser, file) as opened:
        page = opened.page
        assert page.inner_text("#verdict") == "Verdict"
        page.click("#language")
        assert page.inner_text("#verdict") == "结论"
        assert "功率" in page.locator("#timeline-plot .infolayer").text_content()
        page.click("#theme")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"


def test_without_scripts_all_tables_are_there(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(BUSY_MACHINE_MS)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("#table-means tbody tr:visible").count() > 0
    assert not page.locator("#curve-plot").is_visible()
    assert page.locator("noscript").is_visible()
    context.close()
