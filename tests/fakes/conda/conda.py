"""The part of `conda` that Snakemake calls, on top of rattler: its solver, its package cache, its installer, its index.

py-rattler is what pixi is made of, and comes as a wheel; conda and micromamba come from a conda channel only. What the
solver picks, what is unpacked and linked and what `activate` sets is rattler's work; this file reads arguments.
Its variables are conda's own: CONDA_ROOT its installation, CONDA_CHANNEL_ALIAS where channels lie that have but a name,
CONDA_PKGS_DIRS its cache.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

import yaml
from rattler import Channel, ChannelConfig, Gateway, MatchSpec, Platform, VirtualPackage, install, solve
from rattler.shell import ActivationVariables, Shell, activate


async def create(described: Path, prefix: Path) -> None:
    """Solve the environment that a conda YAML file describes, and install it into an empty prefix."""
    environment = yaml.safe_load(described.read_text(encoding="utf-8"))
    where = ChannelConfig(channel_alias=os.environ["CONDA_CHANNEL_ALIAS"])
    cache = Path(os.environ["CONDA_PKGS_DIRS"])
    records = await solve(
        sources=[Channel(name, where) for name in environment["channels"]],
        specs=[MatchSpec(text) for text in environment["dependencies"]],
        gateway=Gateway(cache_dir=cache / "repodata"),
        platforms=[str(Platform.current()), "noarch"],
        virtual_packages=VirtualPackage.detect(),
    )
    await install(records, target_prefix=prefix, cache_dir=cache, show_progress=False)
    print("\n".join(f"{record.name.normalized}-{record.version}-{record.build}" for record in records))


def main(arguments: list[str]) -> None:
    """Answer one call of `conda`, or of its `activate`."""
    match arguments:
        case ["--version"]:
            print("conda 25.1.0")  # Snakemake refuses one below 24.7.1
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": os.environ["CONDA_ROOT"], "platform": str(Platform.current())}))
        case ["config", *_]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))  # rattler's own default
        case ["clean", "-y", "--tarballs"]:
            pass  # rattler keeps packages unpacked only
        case ["activate", prefix]:
            path = os.environ["PATH"].split(":")
            print(activate(Path(prefix), ActivationVariables(None, path), Shell.bash).script)
        case ["env", "create", *options]:
            parser = argparse.ArgumentParser("conda env create", allow_abbrev=False)
            parser.add_argument("--file", type=Path, required=True)
            parser.add_argument("--prefix", type=Path, required=True)
            for flag in ("--quiet", "--no-default-packages"):
                parser.add_argument(flag, action="store_true")
            asked = parser.parse_args(options)
            asyncio.run(create(asked.file, asked.prefix))
        case _:
            sys.exit(f"conda of the tests: {arguments} is not known here; Snakemake 9 did not ask for it")


main(sys.argv[1:])
# Python's own way out ended in SIGSEGV once rattler was used (py-rattler 0.28.0; seen in one run of sixty beside other
# work), with everything done and printed.
sys.stdout.flush()
os._exit(0)
