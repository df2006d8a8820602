"""Table of every figure, by the name of its file; a new figure is a new file and a line here."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from llmdvfs.figures.batch_analysis import batch_analysis
from llmdvfs.figures.cell_latency import cell_latency
from llmdvfs.figures.cell_timeline import cell_timeline
from llmdvfs.figures.cross_frequency import cross_frequency_comparison
from llmdvfs.figures.disaggregated import disaggregated_performance_analysis
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.figures.performance_comparison import performance_comparison
from llmdvfs.figures.ratios import ratios
from llmdvfs.figures.single_server import vllm_server_comparison
from llmdvfs.figures.ttft_parts import ttft_parts
from llmdvfs.records.comparison import ComparisonRecord

CELL_FIGURES: dict[str, Callable[[MeasuredCell], Figure]] = {
    "timeline": cell_timeline,
    "latency": cell_latency,
}
DEPLOYMENT_FIGURES: dict[str, Callable[[ComparisonRecord, Sequence[MeasuredCell]], Figure]] = {
    "vllm_server_comparison": vllm_server_comparison,
    "disaggregated_performance_analysis": lambda record, cells: disaggregated_performance_analysis(cells),
    "batch_analysis": lambda record, cells: batch_analysis(record),
}
"""Of one deployment: its cells, and the comparison of these cells alone."""
COMPARISON_FIGURES: dict[str, Callable[[ComparisonRecord], Figure]] = {
    "performance_comparison": performance_comparison,
    "ratios": ratios,
    "ttft_parts": ttft_parts,
    "cross_frequency_comparison": cross_frequency_comparison,
}
