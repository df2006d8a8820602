"""What NIXL says it has moved, beside what config.json foresees: 80 requests of 1024 tokens."""

from dataclasses import replace

import pytest
from fakes.records import Toy, fake_cell

from llmdvfs.analysis.transfer.size import size_warnings
from llmdvfs.records.spec import EngineSpec

CELL = fake_cell(Toy("disaggregated", gpu=True))
RUN = replace(CELL.run, kv_bytes_per_token=114_688)  # Qwen3-1.7B: 2 x 28 x 8 x 128 x 2
NUM_TOKENS = 81_920.0


def said(moved_bytes: float | None, size: int = 1, kv_bytes_per_token: int | None = 114_688) -> tuple[str, ...]:
    assert CELL.result.transfer is not None
    transfer = replace(CELL.result.transfer, moved_bytes=moved_bytes, external_kv_tokens=NUM_TOKENS)
    engine = dict.fromkeys(RUN.deployment.engine, EngineSpec(tensor_parallel_size=size))
    run = replace(RUN, deployment=replace(RUN.deployment, engine=engine), kv_bytes_per_token=kv_bytes_per_token)
    return size_warnings(transfer, run)


def test_what_two_h100_measured_is_what_was_foreseen() -> None:
    """The golden cell: NIXL moved 9,395,240,960 bytes for 81,920 tokens, 114,688 each."""
    assert said(9_395_240_960.0) == ()


def test_another_number_of_bytes_is_said() -> None:
    """Half of them: a cache of 8 bits that no argument asks for."""
    (warning,) = said(9_395_240_960.0 / 2)
    assert warning.startswith("the connector moved 57,344 bytes a token, config.json foresees 114,688")


@pytest.mark.parametrize("unknown", [{"moved_bytes": None}, {"kv_bytes_per_token": None}, {"size": 2}])
def test_nothing_is_said_where_one_of_them_is_not_known(unknown: dict[str, int | None]) -> None:
    assert said(**({"moved_bytes": 1e9} | unknown)) == ()  # type: ignore[arg-type]
