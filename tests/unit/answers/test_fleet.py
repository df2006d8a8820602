"""A fleet at a demand, by numbers worked out by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from llmdvfs.__main__ import main
from llmdvfs.answers.fleet import fleet, fleets
from llmdvfs.records.answers import Answer, AnsweredPoint, AnswersRecord, Choice, PointDetails
from llmdvfs.records.fleet import Demand, FleetRecord
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.result import Estimate
from llmdvfs.records.store import read_record, write_record

ONE = Estimate(1.0)
DEMAND = Demand(rate_rps=100.0, price_per_kwh=0.2, co2_kg_per_kwh=0.3, currency="EUR")


def point(clock_mhz: int | None, rate_rps: float, power_w: float, idle_w: float = 100.0) -> AnsweredPoint:
    settings = {"single": clock_mhz} if clock_mhz else {}
    return AnsweredPoint(
        point=OperatingPoint(f"single-{clock_mhz}" if clock_mhz else "stock", settings),
        held_sm_clock_mhz={},
        num_launches=5,
        energy_j=power_w / rate_rps,
        time_s=1 / rate_rps,
        energy_ratio=ONE,
        time_ratio=ONE,
        energy_delay_ratio=ONE,
        energy_delay_squared_ratio=ONE,
        within_limits=None,
        limits_reason=None,
        pareto=True,
        ties_with_best=True,
        details=PointDetails(
            5, {}, power_w=power_w, idle_power_w=idle_w, request_rate_rps=rate_rps, goodput_rps=rate_rps / 2
        ),
    )


def record(*points: AnsweredPoint, num_gpus: int = 1) -> AnswersRecord:
    rule = Choice("fastest_within_5_percent", points[-1].point.id, ONE, ONE, "confirming_launches")
    limited = Choice("within_limits", points[-1].point.id, ONE, ONE, "confirming_launches")
    answer = Answer(
        deployment="single_m",
        workload="chat",
        model="m",
        phase="mixed",
        batch_size=16,
        energy_per="request",
        time_of="e2e_mean",
        points=points,
        choices=(rule, limited),
        flags=(),
        num_gpus=num_gpus,
    )
    return AnswersRecord((answer,), ())


def text_of(demand: Demand, *points: AnsweredPoint) -> str:
    return fleets(record(*points), demand).comparisons[0].text


def test_idle_hours_are_reckoned_at_the_lock_where_that_was_measured() -> None:
    """100 requests a second of 30 each need 4, busy for 5/6: 4 (5/6 x 400 + 1/6 x 60) W, not 1/6 x 100 as at stock."""
    held = point(1200, 30.0, 400.0)
    assert held.details is not None
    held = replace(held, details=replace(held.details, idle_at_point_w=60.0))
    found, _ = fleet(held, 1, DEMAND)
    assert found is not None
    assert found.power_w == pytest.approx(4 * (5 / 6 * 400 + 1 / 6 * 60))


def test_a_fleet_is_rounded_up_and_what_waits_draws_idle_power() -> None:
    """100 requests/s at 30 a deployment: 4 of them, busy 100/120 = 5/6; 4 (5/6 x 600 + 1/6 x 100) = 2066.7 W.

    A year of it is 18104 kWh, 3620.8 EUR at 0.2, 5431.2 kg of CO2 at 0.3; at two GPUs each, 8 GPUs.
    """
    found, _ = fleet(point(None, 30.0, 600.0), 2, DEMAND)
    assert found is not None
    assert (found.num_deployments, found.num_gpus) == (4, 8)
    assert found.busy_fraction == pytest.approx(5 / 6)
    assert found.power_w == pytest.approx(2066.667, abs=0.001)
    assert found.energy_kwh_per_year == pytest.approx(18104.0)
    assert found.energy_cost_per_year == pytest.approx(3620.8)
    assert found.co2_kg_per_year == pytest.approx(5431.2)
    assert found.gpu_cost_per_year is None


def test_a_saving_without_a_further_gpu_is_one() -> None:
    """Stock: 2 GPUs of 50/s, always busy, 1200 W. The clock: 50/s too, at 500 W: 1000 W, 1752 kWh a year less."""
    text = text_of(DEMAND, point(None, 50.0, 600.0), point(1200, 50.0, 500.0))
    assert "saves 1,752 kWh a year (16.7%), 350 EUR and 526 kg of CO2" in text
    assert "It needs no further GPU." in text


def test_a_saving_without_a_currency_says_what_the_number_is() -> None:
    """It read "saves 1,752 kWh a year (16.7%), 350 and 526 kg of CO2"."""
    text = text_of(replace(DEMAND, currency=""), point(None, 50.0, 600.0), point(1200, 50.0, 500.0))
    assert "saves 1,752 kWh a year (16.7%), 350 of energy cost and 526 kg of CO2" in text


def test_a_saving_that_needs_a_further_gpu_says_what_that_may_cost() -> None:
    """Stock: 2 GPUs, 1200 W. The clock: 40/s, so 3 GPUs, busy 100/120; 3 (5/6 x 350 + 1/6 x 100) = 925 W.

    275 W less are 2409 kWh, 481.8 EUR a year: 0.055 EUR an hour for the GPU more.
    """
    text = text_of(DEMAND, point(None, 50.0, 600.0), point(1200, 40.0, 350.0))
    assert "saves 2,409 kWh a year" in text
    assert "It needs 1 more GPU (2 -> 3): that pays only where a GPU costs less than 0.055 EUR an hour." in text


def test_a_saving_that_frees_gpus_says_how_many() -> None:
    """It read "1 GPU(s) less". Two GPUs of 50/s, and at the clock 100/s: one is enough."""
    assert "It needs 1 fewer GPU." in text_of(DEMAND, point(None, 50.0, 600.0), point(1200, 100.0, 600.0))


def test_a_saving_that_costs_more_in_gpus_than_it_saves_is_said_so() -> None:
    """The same at 2 EUR an hour: 17520 EUR a year for 482 EUR of energy."""
    text = text_of(replace(DEMAND, gpu_price_per_hour=2.0), point(None, 50.0, 600.0), point(1200, 40.0, 350.0))
    assert "which cost 17,520 EUR a year, more than it saves: leave the clocks alone" in text
    cheap = text_of(replace(DEMAND, gpu_price_per_hour=0.01), point(None, 50.0, 600.0), point(1200, 40.0, 350.0))
    assert "which cost 88 EUR a year, less than it saves" in cheap


def test_a_saving_a_request_that_costs_the_fleet_energy_is_said_so() -> None:
    """Energy a request falls from 12 to 11.5 J, but three GPUs draw 3 (5/6 x 460 + 1/6 x 300) = 1300 W, not 1200."""
    text = text_of(DEMAND, point(None, 50.0, 600.0, idle_w=300), point(1200, 40.0, 460.0, idle_w=300))
    assert "takes 876 kWh a year more than stock, idle GPUs included" in text
    assert "leave the clocks alone" in text


def test_goodput_decides_where_the_load_has_limits() -> None:
    """The deployment's goodput is half of its rate: 25/s, so four GPUs; a point that breaks them serves nobody."""
    kept = replace(point(None, 50.0, 600.0), within_limits=True)
    found, _ = fleet(kept, 1, DEMAND)
    assert found is not None
    assert found.num_gpus == 4
    found, why = fleet(replace(kept, within_limits=False, limits_reason="TPOT p99 is up to 60 ms"), 1, DEMAND)
    assert found is None
    assert "breaks a limit: TPOT p99 is up to 60 ms" in why
    _, why = fleet(replace(kept, within_limits=False, limits_reason="unknown", limits_judged=False), 1, DEMAND)
    assert "is not known to keep the limits: unknown" in why


def test_what_was_not_recorded_is_not_told() -> None:
    unknown = replace(point(1200, 40.0, 350.0), details=None)
    assert "cannot be told: power under load or when idle was not recorded at single-1200" in text_of(
        DEMAND, point(None, 50.0, 600.0), unknown
    )


def test_where_nothing_is_recommended_there_is_nothing_to_compare() -> None:
    found = fleets(record(point(None, 50.0, 600.0)), DEMAND).comparisons[0]
    assert found.recommended is None
    assert "leave the clocks alone" in found.text


def test_the_command_prints_and_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(tmp_path / "answers" / "answers.json", record(point(None, 50.0, 600.0), point(1200, 50.0, 500.0)))
    demand = ["--demand-rps", "100", "--price-kwh", "0.2", "--co2-kg-per-kwh", "0.3", "--currency", "EUR"]
    output = tmp_path / "fleet.json"
    assert main(["fleet", str(tmp_path), *demand, "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "100 requests/s, all year" in printed
    assert "saves 1,752 kWh a year" in printed
    assert read_record(output, FleetRecord).demand == DEMAND


@pytest.mark.parametrize("value", ["0", "-1", "nan", "many"])
def test_a_demand_that_is_none_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fleet", ".", "--price-kwh", "0.2", "--co2-kg-per-kwh", "0.3", f"--demand-rps={value}"])
    assert "expected a number" in capsys.readouterr().err
