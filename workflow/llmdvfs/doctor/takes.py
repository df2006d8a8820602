"""What the study takes: hours, GPU hours and kWh, from earlier results or stated assumptions."""

from collections.abc import Iterator

from llmdvfs.plan.cells import pending_launches, plan_cells
from llmdvfs.plan.forecast import forecast, missing_in_words
from llmdvfs.plan.study import Study
from llmdvfs.records.doctor import Check


def time_and_energy(study: Study) -> Iterator[Check]:
    """Say what is still to be measured and what that takes; a study above its budget is a warning.

    Of a search nothing is said: it decides its cells by what it measures.
    """
    if study.search is not None:
        return
    cells = plan_cells(study)
    told = forecast(study, cells, pending_launches(study, cells))
    if told.over:
        advice = "measure less, raise the budget, or confirm with over_budget: true"
        yield Check("time and energy", "warning", f"{missing_in_words(told)}; {'; '.join(told.over)}", advice)
    else:
        yield Check("time and energy", "ok", missing_in_words(told))
