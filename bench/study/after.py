"""What follows the measurements of 84 cells: `python bench/study/after.py RESULTS --against ANOTHER_CHECKOUT`.

RESULTS is the folder of the default study, run with launches=1: two deployments, three loads. The raw files of its six
cells stand for those of fourteen launches, under keys and launch numbers of theirs, in the layout of each checkout (a
build from before reads what this one measures). Then `snakemake --cores all` merges, analyses and draws all cells,
compares and reports, by the checkouts in turns. Medians of wall and CPU seconds (user and system, of Snakemake and all
that it starts), and memory of the largest process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from page import beside, host, marked_page, write_measured
from study_folder import Used, copy_of, remove_made, run_study

CHECKOUT = Path(__file__).parents[2]
NUM_LAUNCHES = 14
STAND_IN = """
import json, shutil, sys
from pathlib import Path
import yaml
from llmdvfs.benchmark.store import deliver
from llmdvfs.plan.cells import pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
try:
    from llmdvfs.serving.instance.engine_version import engine_versions
except ImportError:
    from llmdvfs.serving.engine_version import engine_versions
study = make_study(complete_config(yaml.safe_load(Path("config/config.yaml").read_text())), engine_versions)
for planned in pending_launches(study):
    for cell, job in zip(planned.cells, planned.job.cells):
        name = getattr(cell, "id", cell)
        folder = study.results / "cells" / name.folder()
        measured = Path(sys.argv[1]) / "cells" / name.folder().rpartition("/")[0] / "launch-1" / "raw"
        entry = study.results / "store" / job.key
        shutil.copytree(measured, entry)
        run = json.loads((measured / "run.json").read_text())
        run["key"], run["cell"]["launch"] = job.key, name.launch
        run["server_start"]["id"] += f"-{name.launch}"
        (entry / "run.json").unlink()
        (entry / "run.json").write_text(json.dumps(run))
        deliver(study.results, job.key, folder if hasattr(cell, "link") else folder / "raw")
"""


def prepare(checkout: Path, folder: Path, measured: Path, num_launches: int) -> None:
    """Make a folder with a checkout and the measured cells of so many launches."""
    folder.mkdir()
    copy_of(checkout, folder)
    file = folder / "config" / "config.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"launches": num_launches}))
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow")}
    subprocess.run([sys.executable, "-c", STAND_IN, str(measured)], cwd=folder, env=environment, check=True)


def main() -> None:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="results of the default study with launches=1")
    parser.add_argument("--against", type=Path, help="a checkout of another version of this project")
    parser.add_argument("--launches", type=int, default=NUM_LAUNCHES, help="of six cells each")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--page", type=marked_page("bench/study/after.py"), help="page of docs/ to write the table into"
    )
    options = parser.parse_args()
    named = {"this": CHECKOUT} | ({"before": options.against.resolve()} if options.against else {})
    seen: dict[str, list[Used]] = {name: [] for name in named}
    with tempfile.TemporaryDirectory() as passing:
        place = Path(passing)
        for name, checkout in named.items():
            prepare(checkout, place / name, options.results.resolve(), options.launches)
        for _ in range(options.runs):
            for name, found in seen.items():
                remove_made(place / name)
                found.append(run_study(place / name, []))
    heads = [*named, *(["ratio"] if options.against else [])]
    rows = {
        label: [[getattr(run, field) for run in found] for found in seen.values()]
        for label, field in (("wall, s", "wall_s"), ("CPU, s", "cpu_s"), ("largest process, MB", "peak_mb"))
    }
    title = f"{host()}; medians of {options.runs} runs in turns; {6 * options.launches} cells"
    table = beside(title, heads, rows)
    print(table)
    if options.page:
        write_measured(options.page, "bench/study/after.py", table)


if __name__ == "__main__":
    main()
