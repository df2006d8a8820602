"""What the runs of all routers say: tables of medians, and where llm-dvfs's are above vllm-router's."""

import statistics
from collections.abc import Iterator

from added import Measured
from scipy.stats import mannwhitneyu

NO_ROUTER, OURS, PEER = "no router", "llm-dvfs", "vllm-router"
HEADER = (
    "| streams | router | runs | added TTFT p50, ms | p99 | added gap p50, ms | p99 "
    "| CPU, ms per 1,000 tokens | host load |"
)
FIGURES = {
    "ttft_p50_ms": "TTFT p50",
    "ttft_p99_ms": "TTFT p99",
    "gap_p50_ms": "gap p50",
    "gap_p99_ms": "gap p99",
    "cpu_ms_per_1000_tokens": "CPU",
}
TITLES = {"balanced": "Before one instance, as the balancer", "disaggregated": "Prefill, then decode"}
IN_STEP = "all streams in step"


def tables(runs: list[Measured]) -> str:
    """Return the medians of the runs as Markdown."""
    columns = ("ttft_p50_ms", "ttft_p99_ms", "gap_p50_ms", "gap_p99_ms")
    out = []
    for title, of_title in titled(runs):
        out += [f"### {title}", "", HEADER, "|---" * HEADER.count(" | ") + "|---|"]
        for num_streams, here in by_streams(of_title):
            direct = [
                run
                for run in runs
                if (run.router, run.num_streams, run.in_step) == (NO_ROUTER, num_streams, here[0].in_step)
            ]
            for name in dict.fromkeys(run.router for run in here):
                mine = [run for run in here if run.router == name]
                base = {column: 0.0 if name == NO_ROUTER else _median(direct, column) for column in columns}
                cells = [f"{_median(mine, column) - base[column]:z.2f}" for column in columns]
                load = f"{_median(mine, 'host_load'):.1f}"
                cpu = "" if mine[0].cpu_ms_per_1000_tokens is None else f"{_median(mine, 'cpu_ms_per_1000_tokens'):.1f}"
                out.append(f"| {num_streams} | {name} | {len(mine)} | {' | '.join(cells)} | {cpu} | {load} |")
        out.append("")
    return "\n".join(out)


def above(runs: list[Measured]) -> str:
    """Return the figures in which llm-dvfs's median is above vllm-router's, with what the runs say of each."""
    if not {OURS, PEER} <= {run.router for run in runs}:
        return ""
    words = []
    for title, of_title in titled(runs):
        for num_streams, here in by_streams(of_title):
            for column, name in FIGURES.items():
                ours, peer = ([getattr(run, column) for run in here if run.router == router] for router in (OURS, PEER))
                excess = round(statistics.median(ours) - statistics.median(peer), 2) if ours and peer else 0.0
                if excess > 0:
                    p_value = mannwhitneyu(ours, peer).pvalue
                    words.append(f"- {title}, streams {num_streams}, {name}: {excess:.2f} above, p = {p_value:.2f}")
    if not words:
        return f"In no figure is the median of {OURS} above that of {PEER}.\n"
    head = f"Where the median of {OURS} is above that of {PEER} (p: two-sided Mann-Whitney test over the runs):"
    return "\n".join([head, "", *words, ""])


def titled(runs: list[Measured]) -> Iterator[tuple[str, list[Measured]]]:
    """Yield the title of each table and its runs."""
    for in_step in sorted({run.in_step for run in runs}):
        for path, title in TITLES.items():
            mine = [run for run in runs if (run.path, run.in_step) == (path, in_step)]
            if mine:
                yield f"{title}, {IN_STEP}" if in_step else title, mine


def by_streams(runs: list[Measured]) -> Iterator[tuple[int, list[Measured]]]:
    """Yield each number of streams and its runs."""
    for num_streams in sorted({run.num_streams for run in runs}):
        yield num_streams, [run for run in runs if run.num_streams == num_streams]


def _median(runs: list[Measured], column: str) -> float:
    return statistics.median(getattr(run, column) for run in runs)
