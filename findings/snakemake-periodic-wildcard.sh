#!/usr/bin/env bash
# Snakemake 9.27.1: a wildcard whose value ends with 20 repeats of anything is refused with PeriodicWildcardError ("would lead to
# an infinite recursion"), also in a rule without any input, which cannot recurse. 19 repeats are planned. Names that a user
# chooses (a model, a workload) reach this by chance only, names made by a program (padding, "0" * 20) do.
#
# Seen (2026-11-27, Python 3.11): "19: planned", "20: PeriodicWildcardError", "20, constrained: PeriodicWildcardError"
# Needs: python3 >= 3.11, pip. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install snakemake==9.27.1
cd "$work"
cat > Snakefile <<'SNAKE'
name = "model-" + "0" * config["repeats"]
rule all:
    input: f"results/{name}/out.txt"
rule measure:
    output: "results/{name}/out.txt"
    wildcard_constraints: name="[a-z0-9-]+" if config.get("constrained") else ".+"
    shell: "touch {output}"
SNAKE
plan() {
    local said
    if said=$("$work/venv/bin/snakemake" -n --cores 1 --config "$@" 2>&1); then echo planned; else grep -o "PeriodicWildcardError" <<< "$said" | head -1; fi
}
below=$(plan repeats=19)
at=$(plan repeats=20)
constrained=$(plan repeats=20 constrained=yes)
"$work/venv/bin/snakemake" --version
echo "19: $below"
echo "20: $at"
echo "20, constrained: $constrained"
[ "$below" = planned ] && [ "$at" = PeriodicWildcardError ] && [ "$constrained" = PeriodicWildcardError ]
