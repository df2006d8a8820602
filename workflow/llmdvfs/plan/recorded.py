"""A study of which nothing is to be measured: what its results folder holds, on whatever machine that lies now."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmdvfs.errors import MISREAD, ConfigError
from llmdvfs.plan.cells import PlannedCell, all_cells
from llmdvfs.plan.otherwise import measured_otherwise
from llmdvfs.plan.study import Study
from llmdvfs.records.places import IDENTITY, STORE


def recorded_engine(results: Path) -> Callable[[str | None], Mapping[str, str]]:
    """Return the look-up of `make_study` that gives the engine of the folder's measurements, not this machine's.

    Where they are of several engines it is the one of most measurements: those of the others are not of this study.
    """

    def look_up(_python: str | None) -> Mapping[str, str]:
        counted = Counter(tuple(sorted(engine.items())) for engine in _engines(results / STORE))
        if not counted:
            raise ConfigError(
                f"analyse_only: true: {results / STORE} has no measurement that says what its engine was; expected the "
                "results folder of a study that was measured; copy it here, or name it by `results`"
            )
        ((engine, _),) = counted.most_common(1)
        return dict(engine)

    return look_up


def _engines(store: Path) -> Iterator[dict[str, str]]:
    for path in store.glob(f"*/{IDENTITY}"):
        try:
            engine: Any = json.loads(path.read_bytes())["engine"]
            if engine:  # an endpoint's measurement has none
                yield {str(name): str(version) for name, version in engine.items()}
        except (OSError, *MISREAD):
            continue  # damaged: whoever reads the measurement whole says so


def check_recorded(study: Study, plan: Sequence[PlannedCell]) -> str | None:
    """Return in words what of the study is left out since it is not there; None: nothing is.

    plan: the cells that are (`plan_cells`). Raises ConfigError where there are none.
    """
    there = {cell.id for cell in plan}
    missing = [cell for cell in all_cells(study) if cell not in there]
    if not there:
        otherwise = measured_otherwise(study, missing)
        raise ConfigError(
            f"analyse_only: true: {study.results} holds none of the study's {len(missing)} cells as the configuration "
            "asks for them; expected the configuration that they were measured with (models and data files included)"
            + (f". {otherwise}" if otherwise else "")
        )
    if not missing:
        return None
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return (
        f"analyse_only: {len(missing)} of {len(missing) + len(there)} cells are not in {study.results} and are left "
        f"out: {missing[0].folder()}{more}"
    )
