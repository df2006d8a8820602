"""Every figure of many random studies: is every point inside its axes, does every interval that goes on say so?

    python bench/figures/inside.py --studies 40 --most-cells 2000

tests/unit/figures/test_inside.py asks the same of a few small ones. Studies are up to 8 deployments x 12 workloads x
12 operating points x 3 launches; nothing is measured. Ends with 1 where a figure fails, and names its study's seed.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import numpy as np
from fakes.drawn import laid_out, num_arrows, num_cut_intervals, points_outside
from fakes.random_study import of_one_deployment, random_shape, random_study

from llmdvfs.figures.batch_analysis import batch_analysis
from llmdvfs.figures.table import COMPARISON_FIGURES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--most-cells", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("error")  # a layout that does not work out is one
    begun, failed, num_figures = time.monotonic(), 0, 0
    for seed in range(options.first_seed, options.first_seed + options.studies):
        rng = np.random.default_rng(seed)
        shape = random_shape(rng, options.most_cells)
        record = random_study(rng, shape)
        for name, draw in {**COMPARISON_FIGURES, "batch_analysis": of_one_deployment(batch_analysis)}.items():
            num_figures += 1
            try:
                figure = laid_out(draw(record))
                faults = points_outside(figure)
                if num_arrows(figure) != num_cut_intervals(figure):
                    faults.append(f"{num_cut_intervals(figure)} intervals cut off, {num_arrows(figure)} arrows")
            except UserWarning as warning:
                faults = [str(warning)]
            if faults:
                failed += 1
                print(f"seed {seed}, {shape}, {name}: {len(faults)} faults, the first: {faults[0]}")
    print(f"{failed} of {num_figures} figures failed, in {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
