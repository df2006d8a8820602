"""Error of phase-energy estimators over the length of a prefill, on fake GPUs whose true energy is known: SIMULATED.

    python bench/energy/estimator_error.py --seeds 20 --figure docs/figures/energy_error.png

Prints the table of docs/energy.md and draws its figure; the regression is what every user gets, its rules on what is
null included. Takes about 4 minutes on one core.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

from fakes.metered_run import Instrument, Load, MeteredRun, metered_run, naive_phase_energy_j  # noqa: E402
from fakes.nvml import FakeNvml  # noqa: E402

from llmdvfs.analysis.energy.cell import EnergySettings, energy_result  # noqa: E402
from llmdvfs.analysis.energy.curve import curve_from_counter  # noqa: E402
from llmdvfs.analysis.sensors import device_series  # noqa: E402
from llmdvfs.figures.parts.style import (  # noqa: E402
    BLUE,
    DOUBLE_COLUMN_IN,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    save_figure,
    styled,
)
from llmdvfs.records.readings import readings_of  # noqa: E402
from llmdvfs.records.result import Estimate  # noqa: E402

PREFILL_S = (0.025, 0.05, 0.1, 0.2, 0.5, 1.0)
INSTRUMENTS = {
    "as on an H200": Instrument(),
    "counter jitters by 10 ms, no beat": Instrument(counter_jitter_s=0.01),
    "counter polled every 100 ms": Instrument(counter_poll_s=0.1),
    "all edges 50 ms late": Instrument(phase_error_s=0.05),
    "20 ms of queueing told as prefill": Instrument(queue_s=0.02),
    "counter sees 25 ms of each 100": Instrument(counter_window_s=0.025),
}
SIDE_STEP = 1.05  # between the places of two instruments at one length
MIN_GIVEN = 0.5  # of the runs: a mean of fewer is not drawn
COLOURS = (BLUE, SKY, GREEN, PURPLE, ORANGE, VERMILLION)


def regression(run: MeteredRun) -> Estimate:
    """Return the estimate of the library."""
    result = energy_result(
        run.header,
        readings_of(run.readings),
        run.phases,
        started_mono_ns=0,
        idle_windows_s=run.idle_windows_s,
        num_prompt_tokens=1,
        num_output_tokens=1,
        num_requests=1,
        mean_e2e_s=None,
        seed_bootstrap=0,
        settings=EnergySettings(),
    )
    return next(phase.energy_j for phase in result.phases if phase.phase == "prefill")


def interpolated_counter(run: MeteredRun) -> float:
    """Return the counter's difference over each prefill, interpolated between its refreshes."""
    curve = curve_from_counter("counter", device_series(readings_of(run.readings).of("gpu0"), "energy_j", 0))
    return sum(curve.between_j(i.begin_s, i.end_s) for i in run.phases.intervals if i.phase == "prefill")


NAIVE: dict[str, Callable[[MeteredRun], float]] = {
    "instant power, samples tagged": lambda run: naive_phase_energy_j(run, "prefill"),
    "1 s average, samples tagged": lambda run: naive_phase_energy_j(run, "prefill", "power_average_w"),
    "counter, interpolated": interpolated_counter,
}


def naive_errors(fake: FakeNvml, seeds: int) -> dict[str, np.ndarray]:
    """Return relative errors, shape (lengths, seeds), of each naive method."""
    errors: dict[str, list[list[float]]] = {name: [] for name in NAIVE}
    for prefill_s in PREFILL_S:
        runs = [metered_run(fake, seed, Load(prefill_s=prefill_s), Instrument()) for seed in range(seeds)]
        for name, method in NAIVE.items():
            errors[name].append([method(run) / run.true_j["prefill"] - 1 for run in runs])
    return {name: np.array(found) for name, found in errors.items()}


def regression_errors(fake: FakeNvml, seeds: int, instrument: Instrument) -> Iterator[tuple[np.ndarray, float, float]]:
    """Yield for each length the relative errors, the mean half width of the interval and its coverage."""
    for prefill_s in PREFILL_S:
        errors, halves, covered = [], [], []
        for seed in range(seeds):
            run = metered_run(fake, seed, Load(prefill_s=prefill_s), instrument)
            estimate, true_j = regression(run), run.true_j["prefill"]
            if estimate.value is None or estimate.low is None or estimate.high is None:
                continue
            errors.append(estimate.value / true_j - 1)
            halves.append((estimate.high - estimate.low) / 2 / true_j)
            covered.append(estimate.low <= true_j <= estimate.high)
        nothing = not errors
        yield np.array(errors), np.nan if nothing else float(np.mean(halves)), np.nan if nothing else np.mean(covered)


@styled
def draw(naive: dict[str, np.ndarray], ours: dict[str, list[tuple[np.ndarray, float, float]]], seeds: int) -> Figure:
    """Draw the naive methods beside the regression, and the regression under six instruments."""
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 3.6))
    left, right = figure.subplots(1, 2)
    lengths_ms = np.array(PREFILL_S) * 1e3
    for (name, errors), colour, marker in zip(naive.items(), (ORANGE, VERMILLION, GREEN), "s^D", strict=True):
        left.errorbar(lengths_ms, 100 * errors.mean(1), 100 * errors.std(1), label=name, color=colour, marker=marker)
    for axes, shown in ((left, list(ours.items())[:1]), (right, list(ours.items()))):
        beside = SIDE_STEP ** (np.arange(len(shown)) - (len(shown) - 1) / 2)  # so that no bar hides another
        for (name, found), side, colour, marker in zip(shown, beside, COLOURS, "osD^vP", strict=False):
            known = [
                (side * ms, 100 * e.mean(), 100 * e.std())
                for ms, (e, _, _) in zip(lengths_ms, found, strict=True)
                if len(e) >= MIN_GIVEN * seeds
            ]
            label = "regression (this project)" if axes is left else name
            label = label if known else f"{label}: null"
            axes.errorbar(*np.array(known).reshape(-1, 3).T, label=label, color=colour, marker=marker)
        axes.axhline(0, color="0.7", linewidth=0.6, zorder=0)
        axes.set_xscale("log")
        axes.set_xticks(lengths_ms, [f"{ms:g}" for ms in lengths_ms])
        axes.set_xlim(lengths_ms[0] / 1.3, lengths_ms[-1] * 1.3)
        axes.minorticks_off()
        axes.set_xlabel("Length of a prefill (ms)")
    left.set_ylabel("Error of the prefill energy (%)")
    left.set_title("Four methods")
    right.set_title("Regression under six instruments, where it is not null")
    for axes, num_columns in ((left, 2), (right, 1)):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=num_columns)
    figure.suptitle(f"SIMULATED: mean and standard deviation of {seeds} runs of 30 requests", fontsize=8)
    return figure


def print_table(
    naive: dict[str, np.ndarray], ours: dict[str, list[tuple[np.ndarray, float, float]]], seeds: int
) -> None:
    """Print both halves of the figure as Markdown, in percent."""
    print("| method, prefill of | " + " | ".join(f"{1e3 * s:g} ms" for s in PREFILL_S) + " |")
    print("|---|" + "---|" * len(PREFILL_S))
    for name, errors in naive.items():
        print(f"| {name} | " + " | ".join(f"{100 * e.mean():+.1f} ± {100 * e.std():.1f}" for e in errors) + " |")
    for name, found in ours.items():
        cells = [
            f"{100 * e.mean():+.2f} ± {100 * e.std():.2f} ({100 * covered:.0f})"
            + (f", null in {seeds - len(e)}" if len(e) < seeds else "")
            if len(e)
            else "null"
            for e, _, covered in found
        ]
        print(f"| regression, {name} | " + " | ".join(cells) + " |")


def main() -> None:
    """Simulate, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--figure", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = FakeNvml.build(Path(folder))
        fake = FakeNvml(Path(folder) / "gpu", 1, library=library, start_ns=0)
        naive = naive_errors(fake, options.seeds)
        ours = {name: list(regression_errors(fake, options.seeds, i)) for name, i in INSTRUMENTS.items()}
        fake.close()
    print_table(naive, ours, options.seeds)
    save_figure(draw(naive, ours, options.seeds), options.figure)


if __name__ == "__main__":
    main()
