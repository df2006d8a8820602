#!/usr/bin/env bash
# Snakemake 9.27.1: `--config reps=3` gives the workflow an int, `--config 'sweep={"reps": 3}'` a str: every leaf of a nested
# override arrives as text ("3", "true", "0.5"), although the braces are parsed. A schema that asks for an integer refuses it.
# A flat `flag=true` is text too; only `True` is a boolean. A --configfile keeps all types.
#
# Seen (2026-11-27, Python 3.11): flat int; nested str str str; true str; True bool; configfile int bool float
# Needs: python3 >= 3.11, pip. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install snakemake==9.27.1
cd "$work"
cat > Snakefile <<'SNAKE'
print("types:", *(type(value).__name__ for value in (config["sweep"].values() if "sweep" in config else config.values())))
rule all:
    input: []
SNAKE
cat > study.yaml <<'YAML'
sweep: {reps: 3, flag: true, share: 0.5}
YAML
types() { "$work/venv/bin/snakemake" -n --cores 1 "$@" 2>&1 | sed -n 's/^types: //p'; }
flat=$(types --config reps=3)
nested=$(types --config 'sweep={"reps": 3, "flag": true, "share": 0.5}')
lower=$(types --config flag=true)
upper=$(types --config flag=True)
file=$(types --configfile study.yaml)
"$work/venv/bin/snakemake" --version
echo "flat $flat; nested $nested; true $lower; True $upper; configfile $file"
[ "$flat; $nested; $lower; $upper; $file" = "int; str str str; str; bool; int bool float" ]
