"""A sample of mutants of a folder, as JSON: runs in the environment of cosmic-ray, which knows how to make them.

One place of the code is drawn first and then one of its mutants, so that an arithmetic operator with its eleven
replacements counts no more than a comparison. Unions in annotations (`X | None`) are left out: no test can see them.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from random import Random

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.util import read_python_source

Mutant = tuple[Path, str, int]
"""File, operator, number of its occurrence."""


def places(files: list[Path]) -> list[list[Mutant]]:
    """Return the mutants of every place in the code where there are some."""
    found: dict[tuple[Path, object], list[Mutant]] = defaultdict(list)
    for path in files:
        tree = get_ast(read_python_source(path))
        for name in cosmic_ray.plugins.operator_names():
            operator_class = cosmic_ray.plugins.get_operator(name)
            if operator_class.arguments() or "_BitOr_" in name:
                continue
            operator = operator_class()
            positions = [at for node in ast_nodes(tree) for at in operator.mutation_positions(node)]
            for occurrence, (begin, _) in enumerate(positions):
                found[path, begin].append((path, name, occurrence))
    return [found[key] for key in sorted(found, key=str)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--num", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    random = Random(options.seed)
    every = places(sorted(options.folder.rglob("*.py")))
    drawn = []
    for place in random.sample(every, min(options.num, len(every))):
        path, name, occurrence = random.choice(place)
        code = read_python_source(path)
        mutated = mutate_code(code, cosmic_ray.plugins.get_operator(name)(), occurrence)
        line = next(n for n, (a, b) in enumerate(zip(code.split("\n"), mutated.split("\n"), strict=False), 1) if a != b)
        drawn.append({"path": str(path), "line": line, "code": mutated, "was": code.split("\n")[line - 1].strip(),
                      "now": mutated.split("\n")[line - 1].strip()})  # fmt: skip
    print(json.dumps({"num_places": len(every), "mutants": drawn}))


if __name__ == "__main__":
    main()
