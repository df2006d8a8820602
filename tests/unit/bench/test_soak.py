"""The soak's judgement: what grows fails, what only wobbles, settles or jumps once does not."""

import os
import sys
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest

BENCH = Path(__file__).parents[3] / "bench" / "soak"
sys.path.insert(0, str(BENCH))
from judge import MIB, judge  # noqa: E402
from soak_page import report, tables  # noqa: E402
from watch import Seen, files_in, kind_of, look  # noqa: E402

sys.path.remove(str(BENCH))

CELLS = range(1, 76)


def test_a_leak_of_a_tenth_of_a_mebibyte_a_cell_is_found() -> None:
    noise = Random(1)
    memory = [300 * MIB + cell * 0.4 * MIB + noise.gauss(0, 5 * MIB) for cell in CELLS]
    verdict = judge("rss_bytes", CELLS, memory)
    assert verdict is not None
    assert verdict.grows
    assert verdict.growth == pytest.approx(40 * MIB, rel=0.3)  # 0.4 MiB x 100 cells


@pytest.mark.parametrize(
    "memory",
    [
        [300 * MIB] * 75,
        [(300 - 40 / cell) * MIB for cell in CELLS],  # settles
        [(300 + 200 * (cell == 40)) * MIB for cell in CELLS],  # one peak
        [(300 - 0.5 * cell) * MIB for cell in CELLS],  # shrinks
    ],
)
def test_what_does_not_grow_is_left_alone(memory: list[float]) -> None:
    verdict = judge("rss_bytes", CELLS, memory)
    assert verdict is not None
    assert not verdict.grows


def test_a_descriptor_in_every_tenth_cell_is_a_leak() -> None:
    verdict = judge("num_fds", CELLS, [40 + cell // 10 for cell in CELLS])
    assert verdict is not None
    assert verdict.grows


def test_too_few_cells_are_no_verdict() -> None:
    assert judge("num_fds", range(20), [1.0] * 20) is None


def sample(number: int, *, leak_bytes: float = 0.0, num_fds: int = 40) -> dict[str, Any]:
    holding = {"num": 1, "rss_bytes": 300 * MIB + leak_bytes, "num_fds": num_fds}
    held = {kind: holding | {"num_threads": 9} for kind in ("job", "server (single)")}
    places = dict.fromkeys(("the home folder", "/dev/shm", "results"), (5, 100))
    return {"t_s": 4.0 * number, "num_cells": number, "num_starts": 1, "launch": "single_tiny.launch-1",
            "held": held, "places": places}  # fmt: skip


CONDITIONS = {"kernel": "6", "num_cpus": 2, "memory_bytes": 2**34, "load": (1.0, 1.0, 1.0),
              "versions": {"vllm": "0.32.0", "torch": "2.13.0"}}  # fmt: skip


def verdict_of(samples: list[dict[str, Any]], tmp_path: Path, seen: Seen | None = None) -> tuple[str, list[str]]:
    return report(tables(samples), samples, CONDITIONS, 75, seen or Seen(), tmp_path)


def test_a_run_in_which_nothing_grows_passes(tmp_path: Path) -> None:
    text, failures = verdict_of([sample(number) for number in range(76)], tmp_path)
    assert failures == []
    assert "75 cells in 1 server starts" in text
    assert "4.0 s a cell" in text
    assert "**Nothing grew.**" in text


def test_a_leaking_server_fails_by_name(tmp_path: Path) -> None:
    text, failures = verdict_of([sample(number, leak_bytes=number * MIB) for number in range(76)], tmp_path)
    assert failures == [f"single_tiny.launch-1: {kind}: rss_bytes grows" for kind in ("job", "server (single)")]
    assert "**grows**" in text


def test_missing_cells_leftovers_and_open_doors_fail(tmp_path: Path) -> None:
    left = tmp_path.parent / "left_behind"
    left.touch()
    seen = Seen(written={str(left)}, listening={("proxy", "0.0.0.0"), ("job", "127.0.0.1")})
    _, failures = verdict_of([sample(number) for number in range(70)], tmp_path, seen)
    assert failures == [
        "69 of 75 cells were measured",
        f"left behind: {left}",
        "listens beyond this host: proxy on 0.0.0.0",
    ]


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("python -m llmdvfs guard --log l -- python -m vllm.entrypoints.openai.api_server", "guard"),
        ("python -m vllm.entrypoints.openai.api_server --port 1", "server (single)"),
        ('python -m vllm.entrypoints.openai.api_server {"kv_role":"kv_producer"}', "server (prefill)"),
        ("python -m llmdvfs.telemetry.sampler_process --path p", "sampler"),
        ("python -m llmdvfs load spec.json", "load generator"),
        ("VLLM::EngineCore", "engine"),
        ("sh -c true", "other"),
    ],
)
def test_processes_are_known_by_their_command_lines(command: str, kind: str) -> None:
    assert kind_of(command) == kind


def test_this_process_holds_memory_descriptors_and_threads(tmp_path: Path) -> None:
    seen = Seen()
    with (tmp_path / "open").open("w"):
        held = look(os.getpid(), [], seen, sockets=True)
    holding = held[kind_of(" ".join(psutil.Process().cmdline()))]  # other tests' helpers may be below this process
    assert holding.rss_bytes > MIB
    assert holding.num_fds >= 4
    assert holding.num_threads >= 1
    assert str(tmp_path / "open") in seen.written
    assert files_in(tmp_path) == (1, 0)
