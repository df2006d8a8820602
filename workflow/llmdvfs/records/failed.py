"""A cell that could not be measured: `failed.json` in its raw folder, where a measurement would be."""

from dataclasses import dataclass

from llmdvfs.records.spec import CellId


@dataclass(frozen=True, slots=True)
class FailedCell:
    """A cell that was to be measured, and why it was not; what had been recorded of it is in results/failed."""

    key: str
    cell: CellId
    cause: str
    failed_unix_s: float
