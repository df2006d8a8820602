"""The loop of a search: decide a round, write it down, have it measured, until nothing is left to decide."""

from collections.abc import Callable

from llmdvfs.errors import SearchStalled
from llmdvfs.plan.decided import decided_so_far, with_cells_of
from llmdvfs.plan.study import Study
from llmdvfs.records.counted import counted
from llmdvfs.records.places import decided_file
from llmdvfs.records.search import SearchRecord
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import write_record
from llmdvfs.search.cells import Cells, finished_cells
from llmdvfs.search.decide import decide
from llmdvfs.search.words import round_lines

Reader = Callable[[Study], Cells]


def search(
    study: Study, measure: Callable[[], None], say: Callable[[str], None], read: Reader = finished_cells
) -> SearchRecord:
    """Search until every load's points are confirmed, and return the record of it.

    measure: measures whatever cells of the study, as decided so far, are missing. It may be killed, as this may: what
    is decided is on the disk before it is measured, so that the same command goes on where it was.
    Raises SearchStalled where it has measured nothing.
    """
    waiting: frozenset[CellId] = frozenset()
    while True:
        record, missing = next_round(study, read)
        if record != decided_so_far(study):
            write_record(decided_file(study.results), record)
        if not missing:
            return record
        if missing == waiting:
            raise SearchStalled(
                f"of {counted(len(missing), 'cell')} that a round decided none was measured, the first being "
                f"{min(missing, key=str).folder()}; expected a measurement of each; see the log of the last run"
            )
        waiting = missing
        for line in round_lines(study, record, missing):
            say(line)
        measure()


def next_round(study: Study, read: Reader = finished_cells) -> tuple[SearchRecord, frozenset[CellId]]:
    """Return what is decided next, and the cells of it that are still to be measured; nothing is written."""
    before = decided_so_far(study)
    cells = read(with_cells_of(study, before)) if before is not None else Cells()
    record = decide(study, before, cells)
    decided = with_cells_of(study, record)
    held = read(decided).held
    return record, (decided.decided or frozenset()) - held
