"""Rows run side by side: most of a row's time is waiting for somebody's patience to end."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from faults.matrix import Row
from faults.place import Machine, Place, make_machine
from faults.play import play

NUM_AT_ONCE = 4


@pytest.fixture(scope="session")
def machine(nvml_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return make_machine(tmp_path_factory.mktemp("machine"), nvml_library)


@pytest.fixture(scope="session")
def measured(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Architecture -> a store with one of the two cells, as an earlier run has left it."""
    stores = {}
    for architecture in ("single", "replicated-2"):
        place = Place(tmp_path_factory.mktemp("earlier") / "place", machine, architecture=architecture)
        place.study["operating_points"] = {"stock": {}}
        try:
            run = place.start("job")
            assert run.wait(120) == 0, run.output
        finally:
            place.close()
        stores[architecture] = place.results / "store"
    return stores


@pytest.fixture(scope="session")
def verdicts(
    request: pytest.FixtureRequest,
    machine: Machine,
    measured: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[None]]]:
    """What became of every row that was selected."""
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    rows: list[Row] = [param["row"] for param in params if isinstance(param.get("row"), Row)]
    folder = tmp_path_factory.mktemp("rows")
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        try:
            yield {
                row.id: pool.submit(play, row, folder / str(number), machine, measured[row.fault.architecture])
                for number, row in enumerate(rows)
            }
        finally:
            pool.shutdown(cancel_futures=True)
