#!/usr/bin/env bash
# snakemake-executor-plugin-slurm-jobstep 0.6.1 (the half of the SLURM plugin that runs inside a job) calls srun without
# SLURM_CONF: it takes every variable SLURM_* out of srun's environment but for ten that tell which job this is. srun(1) reads from
# SLURM_CONF where the cluster's configuration lies; on a cluster whose file is not at the place that was compiled in, srun is left
# to search for it. The rule's command does not have the variable either.
#
# `srun` here is a few lines of shell: it notes its environment and runs what it was given.
# Seen (2026-11-28, Python 3.11): "srun has SLURM_JOB_ID=1 and no SLURM_CONF; the rule has SLURM_JOB_ID=1 and no SLURM_CONF"
# Needs: python3 >= 3.11, pip; no SLURM. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install snakemake==9.27.1 snakemake-executor-plugin-slurm-jobstep==0.6.1
cd "$work"
mkdir bin
cat > bin/srun <<SRUN
#!/usr/bin/env bash
env > "$work/srun.env"
while [[ "\$1" == -* ]]; do shift; done
exec "\$@"
SRUN
chmod +x bin/srun
cat > Snakefile <<'SNAKE'
rule measured:
    output: "rule.env"
    shell: "env > {output}"
SNAKE
PATH="$work/bin:$PATH" SLURM_JOB_ID=1 SLURM_CONF=/cluster/etc/slurm.conf \
    venv/bin/snakemake --executor slurm-jobstep --jobs 1 --cores 1 > log.txt 2>&1 || { tail -20 log.txt; exit 1; }
said() {
    local conf="no SLURM_CONF"
    ! grep -q "^SLURM_CONF=" "$1" || conf=$(grep "^SLURM_CONF=" "$1")
    echo "$(grep "^SLURM_JOB_ID=" "$1") and $conf"
}
venv/bin/pip --disable-pip-version-check list 2> /dev/null | grep jobstep
echo "srun has $(said srun.env); the rule has $(said rule.env)"
[ "$(said srun.env); $(said rule.env)" = "SLURM_JOB_ID=1 and no SLURM_CONF; SLURM_JOB_ID=1 and no SLURM_CONF" ]
