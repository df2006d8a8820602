#!/usr/bin/env bash
# NIXL's own time of a transfer (`get_xfer_telemetry(...).xferDuration`, vLLM's histogram vllm:nixl_xfer_time_seconds) ends when
# somebody first asks whether the transfer is done, not when its last byte has come. vLLM's worker asks once a step of the engine.
# So each transfer's time has up to a step of decode in it, and bytes over it are a lower bound of how fast they went.
#
# Two agents in one process, 1 MiB over TCP; the bytes are all there before anybody asks.
# Seen (2026-11-28, nixl 1.5.1, UCX): asked after 0.5 s: 0.51 s, after 1 s: 1.02 s
# Needs: a Python (PYTHON=...) with nixl and torch; no GPU. Exits 1 when the behaviour is another one.
set -euo pipefail
UCX_TLS=tcp,self NIXL_LOG_LEVEL=ERROR "${PYTHON:-python3}" - <<'PY'
import sys
import time

import numpy as np
from nixl._api import nixl_agent, nixl_agent_config

PIECE_BYTES, NUM_PIECES = 16384, 64
reader, owner = (nixl_agent(name, nixl_agent_config(capture_telemetry=True)) for name in ("reader", "owner"))
copy, original = (np.full(NUM_PIECES * PIECE_BYTES, fill, dtype=np.uint8) for fill in (0, 1))


def pieces(agent, memory):
    agent.register_memory(agent.get_reg_descs([(memory.ctypes.data, memory.nbytes, 0, "")], "DRAM"))
    at = [(memory.ctypes.data + number * PIECE_BYTES, PIECE_BYTES, 0) for number in range(NUM_PIECES)]
    return agent.get_xfer_descs(np.array(at), "DRAM")


here, there = pieces(reader, copy), pieces(owner, original)
name = reader.add_remote_agent(owner.get_agent_metadata())
sides = reader.prep_xfer_dlist("NIXL_INIT_AGENT", here), reader.prep_xfer_dlist(name, there)


def told_s(asked_after_s):
    """Return NIXL's time of a transfer [s], and whether all had come before it was asked."""
    copy[:] = 0
    every = np.arange(NUM_PIECES)
    handle = reader.make_prepped_xfer("READ", sides[0], every, sides[1], every)
    reader.transfer(handle)
    time.sleep(asked_after_s)
    has_come = bool(copy.all())
    while reader.check_xfer_state(handle) == "PROC":
        pass
    told = reader.get_xfer_telemetry(handle).xferDuration / 1e6
    reader.release_xfer_handle(handle)
    return told, has_come


told_s(2.0)  # connects
(half, half_had_come), (whole, whole_had_come) = told_s(0.5), told_s(1.0)
print(f"asked after 0.5 s: {half:.2f} s, after 1 s: {whole:.2f} s; all had come before: {half_had_come}, {whole_had_come}")
sys.exit(0 if half_had_come and whole_had_come and half >= 0.5 and whole >= 1.0 else 1)
PY
