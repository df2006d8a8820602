"""Table of the answers' figures, by the names of their files; a new one is a new file and a line here."""

from collections.abc import Callable

from matplotlib.figure import Figure

from llmdvfs.figures.dvfs_batch_clock import dvfs_batch_clock
from llmdvfs.figures.dvfs_clock_map import dvfs_clock_map
from llmdvfs.figures.dvfs_energy_time import dvfs_energy_time
from llmdvfs.figures.dvfs_over_clock import dvfs_over_clock
from llmdvfs.figures.dvfs_saving_over_load import dvfs_saving_over_load
from llmdvfs.records.answers import AnswersRecord

ANSWER_FIGURES: dict[str, Callable[[AnswersRecord], Figure]] = {
    "energy_time": dvfs_energy_time,
    "over_clock": dvfs_over_clock,
    "clock_map": dvfs_clock_map,
    "batch_clock": dvfs_batch_clock,
    "saving_over_load": dvfs_saving_over_load,
}
