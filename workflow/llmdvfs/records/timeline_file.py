"""`timeline.csv` read back: every reading and every token of a cell on one time axis (docs/metrics.md)."""

from pathlib import Path

import pandas as pd

from llmdvfs.errors import SchemaError

NEEDED = ("t_s", "device_id", "role", "phase")


def read_timeline(path: Path) -> pd.DataFrame:
    """Return the table of a `timeline.csv`; SchemaError where the file is not a whole timeline.

    One row a reading; words are categories, since there are few of them. `role` is missing (NaN) where the device
    serves nobody.
    """
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(("role", "device_id", "phase"), "category"))
    except (OSError, ValueError) as error:  # pandas' own errors of parsing are ValueErrors
        raise SchemaError(f"{path}: cannot be read as a table ({error}); remove it and run again") from error
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise SchemaError(f"{path}: no column {missing[0]!r}; expected {', '.join(NEEDED)}; remove it and run again")
    return frame
