"""Reads the launches of one deployment at one load out of a comparison.csv, this version's or an older one's."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from llmdvfs.errors import DataError
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import LaunchValue

REQUIRED = ("deployment", "workload", "point", "launch", "status", "server_start_id")


@dataclass(frozen=True, slots=True)
class StoredCell:
    """One deployment at one workload and operating point, by their names."""

    deployment: str
    workload: str
    point: str

    def __str__(self) -> str:
        return f"{self.deployment}/{self.workload}/{self.point}"


def read_launches(path: Path, cell: StoredCell) -> dict[str, list[LaunchValue]]:
    """Return name in METRICS -> values of the cell's launches, of those in which the point was applied.

    A metric without any value, or without a column in an older file, is missing. Raises DataError for a file that is no
    comparison.csv, and for a cell that is not in it.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' own errors of parsing are ValueErrors
        raise DataError(f"{path}: cannot be read ({error}); expected the comparison.csv of a study") from error
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise DataError(f"{path}: has no column {missing[0]!r}; expected the comparison.csv of a study")
    names = table["deployment"].astype(str), table["workload"].astype(str), table["point"].astype(str)
    rows = table[(names[0] == cell.deployment) & (names[1] == cell.workload) & (names[2] == cell.point)]
    if "point_state" in table.columns:
        rows = rows[rows["point_state"].isna() | rows["point_state"].isin(["stock", "applied"])]
    if rows.empty:
        known = sorted({"/".join(three) for three in zip(*names, strict=True)})
        raise DataError(f"{path}: no measured launch of {cell}; expected one of {', '.join(known)}")
    return {
        name: [
            LaunchValue(int(row["launch"]), str(row["server_start_id"]), float(row[name]), row["status"] == "ok")
            for _, row in rows.iterrows()
            if name in rows.columns and pd.notna(row[name])
        ]
        for name in METRICS
    }
