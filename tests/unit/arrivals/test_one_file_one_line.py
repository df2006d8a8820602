"""A kind of arrivals is one file and one line of the table: everybody else asks the table."""

from collections.abc import Iterator
from random import Random

import pytest
from fakes.workloads import workload

from llmdvfs.arrivals.draw import draw_arrivals
from llmdvfs.arrivals.kind import Arrival, ArrivalKind, needed
from llmdvfs.arrivals.table import ARRIVALS
from llmdvfs.errors import ConfigError
from llmdvfs.load.schedule.plan import plan_requests
from llmdvfs.load.sending.shape import OPEN_LOOP_CONNECTIONS, load_shape
from llmdvfs.plan.config import complete_config, config_schema, schema_validator
from llmdvfs.plan.study import make_study
from llmdvfs.records.spec import ArrivalSpec, WorkloadSpec


def pairs(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    """Two requests together, `rate_rps` pairs a second."""
    gap_s = 1 / needed(workload, "rate_rps")
    return (Arrival(offset_s=number // 2 * gap_s) for number in range(10))


@pytest.fixture
def with_pairs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kind = ArrivalKind("pairs", "two at a time", needs=("rate_rps",), draw=pairs, ends_by_itself=True)
    monkeypatch.setitem(ARRIVALS, "pairs", kind)
    forget_the_schema()
    yield
    forget_the_schema()


def forget_the_schema() -> None:
    """The kinds stand in the schema, and the validator keeps the schema that it was made from."""
    config_schema.cache_clear()
    schema_validator.cache_clear()


def planned(arrival: dict[str, object]) -> WorkloadSpec:
    prompts = {"prompt_tokens": 8, "output_tokens": 4}
    given = {"architectures": ["single"], "workloads": {"mine": {"prompts": prompts, "arrival": arrival}}}
    return make_study(complete_config(given), lambda python: {"vllm": "0.32.0"}).workloads["mine"]


@pytest.mark.usefixtures("with_pairs")
def test_a_new_kind_is_planned_drawn_and_sent() -> None:
    workload = planned({"kind": "pairs", "rate_rps": 2})
    requests = list(plan_requests(workload, None, seed_prompts=1, seed_arrivals=1))
    assert [request.offset_s for request in requests] == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0]
    assert load_shape(workload).num_connections == OPEN_LOOP_CONNECTIONS  # paced by the schedule


@pytest.mark.usefixtures("with_pairs")
def test_what_a_new_kind_needs_and_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"arrival\.rate_rps: null.*'pairs'"):
        planned({"kind": "pairs"})
    with pytest.raises(ConfigError, match=r"arrival\.concurrency: 3: not used by arrival\.kind 'pairs'"):
        planned({"kind": "pairs", "rate_rps": 2, "concurrency": 3})


def test_an_unknown_kind_of_an_old_record_is_named() -> None:
    with pytest.raises(ConfigError, match="'pairs' is not known; expected one of closed, waves"):
        list(draw_arrivals(workload(ArrivalSpec("pairs")), 1))
