"""The engine's own count of its steps, beside those told from the stamps."""

from dataclasses import replace

from fakes.records import Toy, fake_cell

from llmdvfs.analysis.step_counts import step_counts
from llmdvfs.analysis.step_sizes import StepSizes, step_sizes
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.phases import EngineSteps
from llmdvfs.records.result import StepCount
from llmdvfs.records.run import RunRecord

CELL = fake_cell(Toy(gpu=True, duration_s=0.5))
STEPS = (EngineSteps("single", "prefill", 0.0, 0.1, 1, 0, 512), EngineSteps("single", "decode", 0.1, 0.5, 40, 4, 0))


def scrape(count: float | None, tokens: float) -> MetricsRecord:
    """Of every instance of the cell; None: a version without this metric."""
    name = "vllm:iteration_tokens_total"
    samples = {} if count is None else {f'{name}_count{{engine="0"}}': count, f'{name}_sum{{engine="0"}}': tokens}
    return MetricsRecord(0, {instance.name: dict(samples) for instance in CELL.run.server_start.instances})


def counts(run: RunRecord, before: MetricsRecord, after: MetricsRecord) -> list[StepCount]:
    return list(step_counts(run, replace(CELL.phases, steps=STEPS), before, after))


def test_told_beside_counted() -> None:
    """41 steps told; 52 - 10 counted, with 712 - 40 tokens: 16 a step."""
    assert counts(CELL.run, scrape(10, 40), scrape(52, 712)) == [StepCount("single", 41, 42.0, 16.0)]


def test_an_engine_that_does_not_tell() -> None:
    assert counts(CELL.run, scrape(None, 0), scrape(None, 0)) == [StepCount("single", 41, None, None)]


def test_the_histogram_tells_how_many_steps_were_larger() -> None:
    """42 steps: 30 of at most 64 tokens, 40 of at most 128; 12 held more than 64, whatever stood there before."""

    def scraped(count: float, tokens: float, buckets: dict[str, float]) -> MetricsRecord:
        name = "vllm:iteration_tokens_total"
        samples = {f'{name}_count{{engine="0"}}': count, f'{name}_sum{{engine="0"}}': tokens}
        samples |= {f'{name}_bucket{{engine="0",le="{bound}"}}': value for bound, value in buckets.items()}
        return MetricsRecord(0, {instance.name: dict(samples) for instance in CELL.run.server_start.instances})

    before = scraped(10, 40, {"64.0": 10, "128.0": 10, "+Inf": 10})
    after = scraped(52, 712, {"64.0": 40, "128.0": 50, "+Inf": 52})
    found = step_sizes(CELL.run, before, after, "single")
    assert found == StepSizes(42.0, 672.0, ((64.0, 30.0), (128.0, 40.0)))
    assert (found.bound_over(64), found.bound_over(65), found.bound_over(129)) == (64.0, 128.0, None)
    assert found.num_over(64.0) == 12.0
    assert step_sizes(CELL.run, scrape(None, 0), scrape(None, 0), "single") is None
