#!/usr/bin/env bash
# setproctitle 1.3.8 (vLLM, Ray and others name their processes with it): the new title is written over the memory in which the
# process was given its arguments AND its environment. /proc/PID/environ then no longer shows what the process was started with,
# though os.environ inside it is whole. So who looks for processes by a variable that it had set for them (to end what a killed run
# has left, to tell whose GPU memory it is) finds none of those that have named themselves. SPT_NOENV=1 in the environment keeps
# the title out of it.
#
# Seen (2026-11-28, Linux, Python 3.11): "before: 1; named: 0; named, with SPT_NOENV: 1; inside: mine"
# Needs: python3 >= 3.9, pip. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install setproctitle==1.3.8
cat > "$work/named.py" <<'PY'
import os
import sys

import setproctitle


def seen():
    with open("/proc/self/environ", "rb") as environ:
        return int(b"WHOSE=mine" in environ.read().split(b"\0"))


before = seen()
setproctitle.setproctitle("VLLM::EngineCore" * 20)
print(before, seen(), os.environ["WHOSE"], file=sys.stdout)
PY
plain=$(env -i WHOSE=mine "$work/venv/bin/python" "$work/named.py")
kept=$(env -i WHOSE=mine SPT_NOENV=1 "$work/venv/bin/python" "$work/named.py")
read -r before named inside <<< "$plain"
read -r _ with_noenv _ <<< "$kept"
echo "before: $before; named: $named; named, with SPT_NOENV: $with_noenv; inside: $inside"
[ "$before $named $with_noenv $inside" = "1 0 1 mine" ]
