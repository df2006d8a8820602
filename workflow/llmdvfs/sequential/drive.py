"""The loop of a sequential study: measure and compare what is decided, look at the widest interval, add a launch."""

from collections.abc import Callable

from llmdvfs.plan.study import Study
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.counted import counted
from llmdvfs.records.places import added_launches_file
from llmdvfs.records.sequential import SequentialRecord, SequentialSettings, SequentialState
from llmdvfs.records.store import write_record
from llmdvfs.sequential.widest import Width, widest


def add_launches(
    study: Study, measure: Callable[[], None], compared: Callable[[], ComparisonRecord], say: Callable[[str], None]
) -> SequentialRecord:
    """Add launches until every interval is narrow enough, or there are as many as are allowed; return how it ended.

    study: with the launches decided so far. measure: measures and compares whatever of them is missing. It may be
    killed, as this may: the number of launches is on the disk before any of them is measured, so that the same command
    goes on where it was. compared: reads the comparison that `measure` has left. say: takes lines for whoever watches.
    """
    settings = study.sequential
    assert settings is not None
    number, text = study.num_launches, ""
    while True:
        _write(study, SequentialRecord(settings, number, text=text))
        measure()
        width = widest(compared(), settings.metrics)
        state = _state(width, number, settings)
        text = f"{counted(number, 'launch')}, widest {width}; asked ±{100 * settings.half_width_fraction:g} %"
        if state != "adding":
            return _write(study, SequentialRecord(settings, number, state, text))
        say(f"sequential: {text}: one more")
        number += 1


def _state(width: Width, number: int, settings: SequentialSettings) -> SequentialState:
    if width.sort_key <= settings.half_width_fraction:
        return "narrow_enough"
    return "most_launches" if number >= settings.max_launches else "adding"


def _write(study: Study, record: SequentialRecord) -> SequentialRecord:
    write_record(added_launches_file(study.results), record)
    return record
