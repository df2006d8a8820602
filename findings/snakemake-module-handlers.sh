#!/usr/bin/env bash
# Snakemake 9.27.1: `onstart`, `onsuccess` and `onerror` of a workflow that is used through `module:` never run, and nothing says
# so. What such a workflow does there (a check, a lock, a last word) is not done for those who build on it. The same file taken
# in with `include:` keeps its handlers.
#
# Seen (2026-11-27, Python 3.11): "alone: start success", "include: start success", "module: none"
# Needs: python3 >= 3.11, pip. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install snakemake==9.27.1
cd "$work"
mkdir part include module
cat > part/Snakefile <<'SNAKE'
onstart:
    print("HANDLER start")
onsuccess:
    print("HANDLER success")
rule made:
    default_target: True
    output: "made.txt"
    shell: "touch {output}"
SNAKE
echo 'include: "../part/Snakefile"' > include/Snakefile
cat > module/Snakefile <<'SNAKE'
module part:
    snakefile: "../part/Snakefile"
use rule * from part
SNAKE
handlers() {
    local said
    said=$(cd "$1" && "$work/venv/bin/snakemake" --cores 1 made.txt 2>&1)
    [ -e "$1/made.txt" ]
    awk '/^HANDLER/ {printf "%s%s", sep, $2; sep = " "} END {if (!sep) printf "none"}' <<< "$said"
}
alone=$(handlers part)
included=$(handlers include)
module=$(handlers module)
"$work/venv/bin/snakemake" --version
echo "alone: $alone"
echo "include: $included"
echo "module: $module"
[ "$alone" = "start success" ] && [ "$included" = "start success" ] && [ "$module" = none ]
