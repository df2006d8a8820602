"""The energy of prefill per prompt token and of decode per output token, beside energies of the whole."""

from dataclasses import replace

import pytest
from fakes.records import Toy, fake_cell

from llmdvfs.comparison.cell_metrics import metric_values
from llmdvfs.comparison.summary import summarise
from llmdvfs.comparison.words.tables import SHOWN
from llmdvfs.records.compared import METRICS
from llmdvfs.records.result import CellResult, Estimate, PhaseEnergy
from llmdvfs.records.spec import DeviceRole, Phase

NAMES = ("prefill_energy_per_prompt_token_j", "decode_energy_per_output_token_j")
WHOLE_ROLES = ("prefill_role_energy_per_prompt_token_j", "decode_role_energy_per_output_token_j")
CELL = fake_cell(Toy(gpu=True))


def phase(name: Phase, energy_j: float | None, role: DeviceRole = "single", seconds: float = 5.0) -> PhaseEnergy:
    return PhaseEnergy(role, name, seconds, Estimate(None), Estimate(energy_j))


def result(*phases: PhaseEnergy, prompt_tokens: int = 1000, output_tokens: int = 200) -> CellResult:
    """A cell of 1000 prompt tokens and 200 output tokens."""
    given = CELL.result
    throughput = replace(given.throughput, num_prompt_tokens=prompt_tokens, num_output_tokens=output_tokens)
    return replace(given, throughput=throughput, energy=replace(given.energy, phases=phases))


def values(of: CellResult) -> tuple[float | None, ...]:
    return tuple(metric_values(of)[name] for name in NAMES)


def test_each_phase_is_divided_by_the_tokens_that_it_makes() -> None:
    """400 J over 1000 prompt tokens are 0.4 J; 600 J over 200 output tokens are 3 J; idle belongs to neither."""
    assert values(result(phase("prefill", 400.0), phase("decode", 600.0), phase("idle", 99.0))) == (0.4, 3.0)


def test_roles_that_do_one_phase_count_together() -> None:
    both = (phase("decode", 600.0, "decode"), phase("decode", 20.0, "prefill"))
    assert values(result(phase("prefill", 400.0, "prefill"), *both)) == pytest.approx((0.4, 3.1))


def test_what_is_null_or_absent_stays_null() -> None:
    assert values(result(phase("prefill", None), phase("decode", 600.0))) == (None, 3.0)
    assert values(result(phase("prefill", 400.0))) == (0.4, None)
    assert values(result(phase("decode", 600.0), phase("decode", None, "prefill"))) == (None, None)
    assert values(result(phase("prefill", 400.0), phase("decode", 600.0), output_tokens=0)) == (0.4, None)


def test_steps_that_did_both_leave_neither_a_value() -> None:
    """With chunked prefill most prompts run in mixed steps: prefill's energy over all prompt tokens is too low.

    5 s of each phase bear 0.05 s of mixed steps.
    """
    pure = (phase("prefill", 400.0), phase("decode", 600.0))
    assert values(result(*pure, phase("mixed", 900.0, seconds=3.0))) == (None, None)
    assert values(result(*pure, phase("mixed", 15.0, seconds=0.05))) == (0.4, 3.0)


def test_a_role_with_gpus_of_its_own_has_all_their_energy_per_token() -> None:
    """500 J of the prefill GPU, waiting included, over 1000 prompt tokens; 700 J of the decode GPU over 200."""
    given = result(phase("prefill", 400.0, "prefill"), phase("idle", 100.0, "prefill"))
    apart = replace(given, energy=replace(given.energy, by_role_j={"prefill": 500.0, "decode": 700.0}))
    told = metric_values(apart)
    assert [told[name] for name in WHOLE_ROLES] == [0.5, 3.5]
    one_gpu = replace(given, energy=replace(given.energy, by_role_j={"single": 1200.0}))
    assert [metric_values(one_gpu)[name] for name in WHOLE_ROLES] == [None, None]


def test_they_are_summarised_over_launches_as_energies() -> None:
    """0.4 and 0.9 J have the geometric mean 0.6 J."""
    first = replace(result(phase("prefill", 400.0)), server_start_id="a")
    second = replace(result(phase("prefill", 900.0)), server_start_id="b")
    metric = summarise([(first, CELL.run), (second, CELL.run)]).metrics[NAMES[0]]
    assert (metric.n, metric.mean.value) == (2, pytest.approx(0.6))
    for name in NAMES + WHOLE_ROLES:
        assert METRICS[name].of_energy
        assert name in SHOWN
