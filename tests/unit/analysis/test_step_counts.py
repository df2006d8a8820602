"""The engine's own count of its steps, beside those told from the stamps."""

from dataclasses import replace

from fakes.records import Toy, fake_cell

from llmdvfs.analysis.step_counts import step_counts
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
