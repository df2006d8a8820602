"""A scrape of the servers' /metrics: `metrics_before.json` and `metrics_after.json`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricsRecord:
    """Samples of every instance; a histogram appears as its _bucket, _sum and _count samples."""

    taken_mono_ns: int
    instances: dict[str, dict[str, float] | None]
    """instance -> {"vllm:prompt_tokens_total{engine=\\"0\\",...}": value}; None: the scrape failed."""
