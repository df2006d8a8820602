"""KV figures of published models by the engine's own reading of config.json, beside what models/kv.py makes of them."""

import json
import subprocess
import sys
from typing import Any

import pytest
from unit.models.test_kv import PUBLISHED

from llmdvfs.models.kv import kv_layout

from .conftest import HERE

ANSWERED = {name: config for name, config, expected in PUBLISHED if expected is not None}


@pytest.fixture(scope="module")
def by_the_engine() -> dict[str, int]:
    """Model -> elements of KV cache of a token."""
    done = subprocess.run(
        [sys.executable, str(HERE / "kv_by_the_engine.py")],
        input=json.dumps(list(ANSWERED.values())),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])  # vLLM may log before
    return dict(zip(ANSWERED, told, strict=True))


@pytest.mark.parametrize(("name", "config"), ANSWERED.items(), ids=ANSWERED)
def test_the_engine_reads_the_same_figures(name: str, config: dict[str, Any], by_the_engine: dict[str, int]) -> None:
    layout = kv_layout(config)
    assert layout is not None
    assert layout.elements() == by_the_engine[name]
