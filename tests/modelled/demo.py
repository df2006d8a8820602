"""`make demo-dvfs`: a whole search without a GPU, and its answers beside the truth. MODELLED.

python tests/modelled/demo.py [--folder demo-results] [--seed 1] [--config config/demo-dvfs.yaml]
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

import yaml  # noqa: E402
from fakes.nvml import FakeNvml  # noqa: E402

from modelled.study import Modelled, clock_of, lowest, lowest_choice  # noqa: E402


def lines(study: Modelled) -> Iterator[str]:
    """Yield the answers beside the truth, a load a line."""
    yield "MODELLED: nothing of this was measured on a GPU"
    yield (
        f"{'load':<12} {'measured best':>13} {'true best':>9} {'regret':>7} {'saving stated (95 %)':>25} {'true':>6} "
        f"{'off by':>12}"
    )
    for answer in study.answers().answers:
        point, load = lowest(answer), answer.workload
        clock_mhz, best_mhz = clock_of(point), study.true_best_mhz(load)
        regret = study.true_energy_j(load, clock_mhz) / study.true_energy_j(load, best_mhz) - 1
        stated = lowest_choice(answer).saving
        saving, true = stated.value or 0.0, study.true_saving(load, clock_mhz)
        ends = f" [{stated.low:.1%}, {stated.high:.1%}]" if stated.low is not None and stated.high is not None else ""
        yield (
            f"{load:<12} {clock_mhz:>9.0f} MHz {best_mhz:>5} MHz {regret:>6.2%} {f'{saving:.1%}{ends}':>25} "
            f"{true:>6.1%} {100 * (saving - true):>+5.2f} points"
        )


def main() -> int:
    """Run the study and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("demo-results"))
    parser.add_argument("--seed", type=int, default=1, help="draws the GPU")
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "demo-dvfs.yaml")
    options = parser.parse_args()
    config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    study = Modelled(options.folder.resolve(), config, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        done = study.run(FakeNvml.build(Path(folder)))
    if done.returncode:
        return done.returncode
    print("\n".join(lines(study)))
    print(f"\nfigures, tables and a report: {study.folder / 'results'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
