#!/usr/bin/env bash
# Snakemake 9.27.1 with --sdm conda: a rule's command is run as `source BASE/bin/activate ENV; set -euo pipefail; COMMAND`. The
# strict mode begins behind the activation, so where that fails the command runs in the environment that Snakemake was started
# from, the output is kept and the exit status is 0; only what `activate` itself said is in the log. A rule that needs no more than
# both have, Python and a common package in another version, gives its result with the wrong one.
# (A case of it, where the rule then failed for a missing package: snakemake/snakemake#345.)
#
# `conda` here is a few lines of shell: it makes an environment that holds a `tool`, and an `activate` that works, or says so and fails.
# Seen (2026-11-28, Python 3.11): "activation works: exit 0, tool of the environment", "activation fails: exit 0, tool of the caller"
# Needs: python3 >= 3.11, pip, bash; no conda. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install snakemake==9.27.1
cd "$work"
mkdir -p base/bin caller/bin
cat > base/bin/conda <<CONDA
#!/usr/bin/env bash
case "\$*" in
    "--version") echo "conda 25.1.0" ;;
    "info --json") echo '{"conda_prefix": "$work/base", "platform": "linux-64"}' ;;
    "config --get channel_priority --json") echo '{"get": {"channel_priority": "strict"}}' ;;
    "env create "*)
        while [ "\$1" != "--prefix" ]; do shift; done
        mkdir -p "\$2/bin"
        printf '#!/bin/sh\necho environment\n' > "\$2/bin/tool"
        chmod +x "\$2/bin/tool" ;;
    "clean -y --tarballs") ;;
    *) echo "not asked so far: conda \$*" >&2; exit 1 ;;
esac
CONDA
printf '#!/bin/sh\necho caller\n' > caller/bin/tool
chmod +x base/bin/conda caller/bin/tool
echo 'export PATH=$1/bin:$PATH' > works
echo 'echo "could not activate $1" >&2; return 1' > fails
echo 'dependencies: [tool]' > env.yaml
cat > Snakefile <<'SNAKE'
rule measured:
    output: "out.txt"
    conda: "env.yaml"
    shell: "tool > {output}"
SNAKE
run() {
    local status=0
    cp "$1" base/bin/activate
    PATH="$work/base/bin:$work/caller/bin:$PATH" venv/bin/snakemake --cores 1 --sdm conda --forceall > "$1.log" 2>&1 || status=$?
    echo "exit $status, tool of the $(cat out.txt)"
}
works=$(run works)
fails=$(run fails)
venv/bin/snakemake --version
echo "activation works: $works"
echo "activation fails: $fails"
grep -q "could not activate" fails.log
[ "$works; $fails" = "exit 0, tool of the environment; exit 0, tool of the caller" ]
