"""A small disaggregated cell, measured on two H100 with NIXL: what the analysis makes of it stays as it was seen."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from golden.chain import CELL, MADE, run_chain

TOLERANCE = 1e-6  # relative: sums in another order, as another numpy may take them


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    (folder / "raw").symlink_to(CELL / "raw")
    run_chain(folder / "raw")
    return folder


@pytest.mark.parametrize("name", MADE)
def test_made_as_committed(name: str, made: Path) -> None:
    """A difference that is meant: `make golden`, look at the diff, commit it."""
    now, before = made / name, CELL / name
    if name.endswith(".csv"):
        pd.testing.assert_frame_equal(pd.read_csv(now), pd.read_csv(before), rtol=TOLERANCE, check_exact=False)
    elif name.endswith(".json"):
        assert_alike(json.loads(now.read_text()), json.loads(before.read_text()), name)
    else:
        assert now.read_text() == before.read_text()


def assert_alike(now: Any, before: Any, where: str) -> None:
    if isinstance(before, dict):
        assert list(now) == list(before), where
        for key in before:
            assert_alike(now[key], before[key], f"{where}: {key}")
    elif isinstance(before, list):
        assert len(now) == len(before), where
        for number, (one, other) in enumerate(zip(now, before, strict=True)):
            assert_alike(one, other, f"{where}[{number}]")
    elif isinstance(before, float):
        assert now == pytest.approx(before, rel=TOLERANCE), where
    else:
        assert now == before, where


def test_what_the_numbers_must_be() -> None:
    """What does not depend on how it is analysed: 158 requests and 2 of warm-up, each of 512 prompt tokens."""
    result = json.loads((CELL / "result.json").read_text())
    assert result["throughput"]["outcomes"] == {"ok": 158}
    transfer = result["transfer"]
    assert transfer["external_kv_tokens"] == transfer["decode_prompt_tokens"] == 160 * 512
    # The NVLink counter of the prefill GPU rose by just that KV: 2 x 28 layers x 8 heads x 128 x 2 bytes a token.
    assert transfer["link"]["nvlink_sent_bytes"] == 160 * 512 * 2 * 28 * 8 * 128 * 2
    energy = result["energy"]
    power_w = {(found["role"], found["phase"]): found["power_w"]["value"] for found in energy["phases"]}
    assert power_w["prefill", "prefill"] > power_w["prefill", "idle"] > 120  # loaded and idle: 125 W
    assert power_w["decode", "decode"] > power_w["decode", "idle"] > 115
    lag_s = energy["lag_by_role_s"]
    assert lag_s["prefill"] == pytest.approx(lag_s["decode"], abs=0.002)  # two sensors of one kind
