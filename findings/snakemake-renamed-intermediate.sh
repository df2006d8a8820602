#!/usr/bin/env bash
# Snakemake 9.27.1: with its memory (.snakemake/) gone, an intermediate file that is now called otherwise, because a parameter
# in its name changed, plans nothing as long as the file that is made from it exists. With the memory kept, the changed set of
# inputs is noticed. Only a file that a target rule itself asks for is missed when it is missing.
#
# Seen (2026-11-27, Python 3.11): "memory kept: 3 jobs", "memory gone: Nothing to be done", "asked for by the target: 3 jobs".
# Needs: python3 >= 3.11, pip. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install snakemake==9.27.1
cd "$work"
cat > Snakefile <<'SNAKE'
key = config.get("key", "one")
rule all:
    input: ([f"measured-{key}.txt"] if config.get("direct") else []) + ["result.txt"]
rule measure:
    output: f"measured-{key}.txt"
    shell: "echo {output} > {output}"
rule analyse:
    input: f"measured-{key}.txt"
    output: "result.txt"
    shell: "cp {input} {output}"
SNAKE
snakemake() { "$work/venv/bin/snakemake" --cores 1 "$@" 2>&1; }
plan() {
    local said
    said=$(snakemake -n "$@")
    if grep -q "Nothing to be done" <<< "$said"; then echo "Nothing to be done"; else awk '/^total/ {print $2 " jobs"; exit}' <<< "$said"; fi
}
snakemake > log
kept=$(plan --config key=two)
rm -rf .snakemake
gone=$(plan --config key=two)
asked=$(plan --config key=two direct=yes)
"$work/venv/bin/snakemake" --version
echo "memory kept: $kept"
echo "memory gone: $gone"
echo "asked for by the target: $asked"
[ "$kept" = "3 jobs" ] && [ "$gone" = "Nothing to be done" ] && [ "$asked" = "3 jobs" ]
