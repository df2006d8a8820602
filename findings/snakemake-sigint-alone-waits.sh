#!/usr/bin/env bash
# Snakemake 9.27.1: SIGINT sent to its process alone ends no job: it waits for those that run, which may take hours. A terminal's
# Ctrl-C seems to end them only because the terminal sends it to the whole process group. A supervisor that ends Snakemake
# politely (`kill -INT PID`, systemd's KillSignal=SIGINT with KillMode=mixed) has to send it to the group.
#
# Seen (2026-11-28, Python 3.11): "SIGINT alone: ended after 20 s, the job ran to its end", "SIGINT to the group: ended after 1 s, the job was ended"
# Needs: python3 >= 3.11, pip. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install snakemake==9.27.1
cd "$work"
cat > Snakefile <<'SNAKE'
rule measure:
    output: "out.txt"
    shell: "touch begun; sleep 20; touch ended {output}"
SNAKE
cat > interrupt.py <<'PY'
import os, pathlib, signal, subprocess, sys, time

to_the_group = sys.argv[1] == "group"
begun, ended = pathlib.Path("begun"), pathlib.Path("ended")
for file in (begun, ended, pathlib.Path("out.txt")):
    file.unlink(missing_ok=True)
signal.signal(signal.SIGINT, signal.default_int_handler)  # where this script runs in the background SIGINT is ignored
process = subprocess.Popen(
    ["venv/bin/snakemake", "--cores", "1", "--quiet", "all", "--nolock", "--forceall"],
    start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
while not begun.exists():
    time.sleep(0.1)
since = time.monotonic()
(os.killpg if to_the_group else os.kill)(process.pid, signal.SIGINT)
process.wait(timeout=120)
took_s = time.monotonic() - since
what = "the job ran to its end" if ended.exists() else "the job was ended"
print(f"SIGINT {'to the group' if to_the_group else 'alone'}: ended after {took_s:.0f} s, {what}")
sys.exit(ended.exists() == to_the_group)
PY
venv/bin/snakemake --version
venv/bin/python interrupt.py alone
venv/bin/python interrupt.py group
