"""One small page for the tests that only look at it: two deployments, a sweep of clocks, a cell with a failed gate."""

import pytest
from fakes.records import Toy, fake_cell, fake_study
from fakes.report import reported

from llmdvfs.report.cells import ReportedStudy
from llmdvfs.report.render import report_page


@pytest.fixture(scope="session")
def study() -> ReportedStudy:
    sweep = [Toy("single", "concurrent", 1, True, clock, batch, 1.0) for clock in (600, 1800) for batch in (8, 32)]
    doubtful = Toy("single", "concurrent", 1, True, None, 64, 1.0, gate_fails=True)
    return reported([*fake_study(gpu=True, launches=2), *map(fake_cell, [*sweep, doubtful])])


@pytest.fixture(scope="session")
def page(study: ReportedStudy) -> str:
    return report_page(study)
