"""Two results folders compared: each deployment beside its counterpart."""

from dataclasses import replace
from pathlib import Path

import pytest
from unit.comparison.studies import two_deployments

from llmdvfs.comparison.summary import Measured
from llmdvfs.comparison.two_folders import compare_two, labels_of
from llmdvfs.errors import DataError
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.comparison_text import baseline_pairs


def measured(cells: list[MeasuredCell]) -> list[Measured]:
    return [(cell.result, cell.run) for cell in cells]


def compared(first: list[MeasuredCell], second: list[MeasuredCell], *, unlike: bool = False) -> ComparisonRecord:
    return compare_two(("old", measured(first)), ("new", measured(second)), unlike=unlike, margin_fraction=0.05)


def study(factor: float = 1.0) -> list[MeasuredCell]:
    return two_deployments([1.0 * factor, 1.01 * factor, 0.99 * factor], [2.0, 2.01, 1.99])


def with_vllm(cell: MeasuredCell, version: str) -> MeasuredCell:
    start = replace(cell.run.server_start, engine_versions={"vllm": version})
    return replace(cell, run=replace(cell.run, server_start=start))


def with_workload(cell: MeasuredCell, workload: str) -> MeasuredCell:
    own, key = replace(cell.run.cell, workload=workload), f"{cell.run.key}-{workload}"
    return replace(cell, run=replace(cell.run, cell=own, key=key), result=replace(cell.result, cell=own, key=key))


def with_start(cell: MeasuredCell, start: str) -> MeasuredCell:
    return replace(cell, result=replace(cell.result, server_start_id=start))


def test_a_deployment_is_related_to_itself_in_the_other_folder() -> None:
    """Without that the other folder's disaggregated deployment was related to this one's single instance."""
    record = compared(study(), study(factor=2.0))
    found = {
        group.workload: [
            (pair.baseline, pair.other, pair.ratios["ttft_p50_s"].ratio.value) for pair in baseline_pairs(group)
        ]
        for group in record.groups
    }
    assert found == {
        "single_tiny, concurrent": [("old_tiny", "new_tiny", pytest.approx(2.0))],
        "disaggregated_tiny, concurrent": [("old_tiny", "new_tiny", pytest.approx(1.0))],
    }


def test_the_same_measurement_in_both_folders_is_no_mistake() -> None:
    """A copied folder has the same keys; they are matched within their own folder."""
    record = compared(study(), study())
    assert all(pair.ratios["ttft_p50_s"].conclusion == "equal" for group in record.groups for pair in group.pairs)


def test_another_engine_version_is_refused_with_the_list_unless_asked() -> None:
    other = [with_vllm(cell, "0.11.1") for cell in study()]
    with pytest.raises(DataError, match=r"old and new are not alike.*vLLM: 0\.32\.0 against 0\.11\.1.*--unlike"):
        compared(study(), other)
    asked = compared(study(), other, unlike=True)
    assert all("vLLM: 0.32.0 against 0.11.1" in pair.varied for group in asked.groups for pair in group.pairs)


def test_another_route_is_told_and_is_what_the_two_are_compared_for() -> None:
    """A disaggregated pair asked directly against itself behind the proxy: its ratio is what the proxy costs."""

    def asked_directly(cell: MeasuredCell) -> MeasuredCell:
        return replace(cell, run=replace(cell.run, deployment=replace(cell.run.deployment, route="direct")))

    pairs = [cell for cell in study() if cell.run.deployment.architecture == "disaggregated"]
    record = compared(pairs, [asked_directly(cell) for cell in pairs])
    [[pair]] = [group.pairs for group in record.groups]
    assert pair.varied == ("route: proxy against direct",)
    assert "ttft_p50_s" in pair.ratios
    both = compared(study(), study()).groups
    single, routed = (next(group for group in both if name in group.workload) for name in ("single", "disaggregated"))
    assert "route direct" in single.pairs[0].held_equal  # one instance has nobody before it
    assert "route proxy" in routed.pairs[0].held_equal


def test_each_deployment_of_a_folder_has_servers_of_its_own() -> None:
    """They share a name where folders are compared, and were told to be one launch that was measured in parts."""
    assert not [warning for warning in compared(study(), study()).warnings if "server starts" in warning]


def test_a_launch_that_was_measured_in_parts_is_told_with_its_folder() -> None:
    again = [with_start(with_workload(cell, "later"), "again") for cell in study()[:1]]
    told = [warning for warning in compared([*study(), *again], [*study(), *again]).warnings if "starts" in warning]
    assert [warning.split(": ")[0] for warning in told] == ["new:single_tiny launch 1", "old:single_tiny launch 1"]
    assert "old:again, old:start-single_tiny-1" in told[1]


def test_other_deployments_at_the_same_load_are_related_to_the_simplest_one() -> None:
    cells = study()
    record = compared(cells[:3], cells[3:])
    [group] = record.groups
    assert [(pair.baseline, pair.other) for pair in group.pairs] == [("old:single_tiny", "new:disaggregated_tiny")]


def test_folders_without_a_load_in_common_are_refused() -> None:
    with pytest.raises(DataError, match=r"no workload at one operating point in common: .*concurrent \(stock\)"):
        compared(study(), [with_workload(cell, "another") for cell in study()])


def test_folders_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    assert labels_of(tmp_path / "a" / "results", tmp_path / "b" / "results") == ("a-results", "b-results")
    assert labels_of(tmp_path / "a", tmp_path / "b") == ("a", "b")
    with pytest.raises(DataError, match="one folder"):
        labels_of(tmp_path, tmp_path / "x" / "..")
