"""Launches are added until intervals are narrow enough, over kills, and within what is allowed."""

from pathlib import Path
from typing import Any

import pytest
from unit.comparison.studies import compared, two_deployments
from unit.plan.test_config import study_of

from llmdvfs.errors import ConfigError, DataError
from llmdvfs.plan.study import Study
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.places import added_launches_file
from llmdvfs.records.sequential import SequentialRecord
from llmdvfs.records.store import read_record
from llmdvfs.sequential.drive import add_launches
from llmdvfs.sequential.widest import widest

# Log ratios 0.1, 0, 0.05, 0.05 ...: by hand, with Student's t, as one ratio has no others to learn from.
#   n = 3: variance 0.0025,    half width 4.3027 x 0.05     / sqrt(3) = 0.12421, upwards exp - 1 = 13.2 %
#   n = 4: variance 0.0016667, half width 3.1824 x 0.040825 / sqrt(4) = 0.06496, upwards 6.7 %
#   n = 5: variance 0.00125,   half width 2.7764 x 0.035355 / sqrt(5) = 0.04390, upwards 4.5 %
OTHERS = (1.1051709, 1.0, 1.0512711, 1.0512711, 1.0512711, 1.0512711)


def study(results: Path, half_width: float = 0.05, **changes: Any) -> Study:
    asked = {"half_width_fraction": half_width, "max_launches": 6, "metrics": ["ttft_p50_s"]}
    return study_of({"results": str(results), "launches": 3, "sequential": asked} | changes)


class Machine:
    """Measures as many launches as have been decided, one call a round."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.rounds: list[int] = []

    def measure(self) -> None:
        self.rounds.append(read_record(added_launches_file(self.results), SequentialRecord).num_launches)

    def compared(self) -> ComparisonRecord:
        n = self.rounds[-1]
        return compared(two_deployments([1.0] * n, OTHERS[:n]))


def run(asked: Study, said: list[str] | None = None) -> tuple[SequentialRecord, list[int]]:
    machine = Machine(asked.results)
    record = add_launches(asked, machine.measure, machine.compared, [].append if said is None else said.append)
    return record, machine.rounds


def test_launches_are_added_one_by_one_until_the_interval_is_narrow_enough(tmp_path: Path) -> None:
    said: list[str] = []
    record, rounds = run(study(tmp_path), said)
    assert rounds == [3, 4, 5]
    assert (record.state, record.num_launches) == ("narrow_enough", 5)
    assert record.text == (
        "5 launches, widest ±4.5 % of TTFT p50, disaggregated_tiny / single_tiny at concurrent, stock; asked ±5 %"
    )
    assert [line.partition(" of ")[0] for line in said] == [
        "sequential: 3 launches, widest ±13.2 %",
        "sequential: 4 launches, widest ±6.7 %",
    ]


def test_it_ends_at_the_most_launches_and_says_that_it_is_not_narrow(tmp_path: Path) -> None:
    record, rounds = run(study(tmp_path, half_width=0.001))
    assert rounds == [3, 4, 5, 6]
    assert record.state == "most_launches"


def test_it_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """The number of launches is on the disk before they are measured: the same command reads it there."""

    def killed() -> None:
        if read_record(added_launches_file(tmp_path), SequentialRecord).num_launches == 4:
            raise KeyboardInterrupt

    three = compared(two_deployments([1.0] * 3, OTHERS[:3]))
    with pytest.raises(KeyboardInterrupt):
        add_launches(study(tmp_path), killed, lambda: three, [].append)
    again = study(tmp_path)
    assert list(again.launches) == [1, 2, 3, 4]
    assert run(again)[1] == [4, 5]
    assert run(study(tmp_path))[1] == [5]  # finished: one look, nothing is added
    assert run(study(tmp_path, half_width=0.01))[1] == [5, 6]  # asked for more: it goes on from there
    assert study_of({"results": str(tmp_path), "launches": 3}).num_launches == 3  # without the key nothing is read


def test_a_single_launch_has_no_interval_and_is_the_widest_of_all() -> None:
    width = widest(compared(two_deployments([1.0], [2.0])), ["ttft_p50_s"])
    assert width.half_width_fraction is None
    assert str(width).startswith("no interval of TTFT p50")


def test_one_deployment_has_no_ratio_and_its_mean_counts() -> None:
    """Logs 0, 0.1, 0.05: the same spread as above."""
    alone = [cell for cell in two_deployments([1.0, 1.1051709, 1.0512711], []) if cell.run.cell.deployment]
    width = widest(compared(alone), ["ttft_p50_s"])
    assert width.half_width_fraction == pytest.approx(0.1323, abs=1e-4)
    assert "single_tiny at concurrent" in width.what


def test_what_was_not_measured_cannot_become_narrow() -> None:
    with pytest.raises(DataError, match="none of energy_per_output_token_j was measured in 6 cells"):
        widest(compared(two_deployments([1.0] * 3, [1.0] * 3)), ["energy_per_output_token_j"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"launches": 2}, "launches: 2: expected 3 or more beside `sequential`"),
        ({"launches": 7}, r"sequential.max_launches: 6: expected launches, 7, or more"),
        ({"sequential": {"half_width_fraction": 0.05, "metrics": ["ttft"]}}, "sequential.metrics: 'ttft': expected"),
        (
            {"device": "cuda", "search": {"sm_clock_mhz": {"all": "210..1980/15"}}},
            "sequential: expected null beside `search`",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study(tmp_path, **changes)
