"""KV transfer, worked out by hand on one request through the proxy."""

import pytest

from llmdvfs.analysis.engine_metrics import increase
from llmdvfs.records.metrics import MetricsRecord

BY_SOURCE = 'vllm:prompt_tokens_by_source_total{{engine="0",model_name="m",source="{}"}}'
EXTERNAL, COMPUTED = BY_SOURCE.format("external_kv_transfer"), BY_SOURCE.format("local_compute")


def scrape(**instances: dict[str, float] | None) -> MetricsRecord:
    return MetricsRecord(0, {name.replace("_", "-"): samples for name, samples in instances.items()})


def test_increase_is_summed_over_instances_and_series() -> None:
    before = scrape(decode_0={EXTERNAL: 10.0, COMPUTED: 1.0}, decode_1={EXTERNAL: 0.0})
    after = scrape(decode_0={EXTERNAL: 42.0, COMPUTED: 3.0}, decode_1={EXTERNAL: 8.0, COMPUTED: 5.0})
    instances = ["decode-0", "decode-1"]
    assert increase(before, after, "vllm:prompt_tokens_by_source_total", instances=instances) == 47.0
    external = increase(
        before, after, "vllm:prompt_tokens_by_source_total", instances=instances, source="external_kv_transfer"
    )
    assert external == 40.0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (scrape(decode_0=None), scrape(decode_0={EXTERNAL: 1.0})),
        (scrape(decode_0={EXTERNAL: 1.0}), scrape(decode_0=None)),
        (scrape(decode_0={}), scrape(decode_0={"vllm:other_total": 1.0})),
        (scrape(decode_0={EXTERNAL: 5.0}), scrape(decode_0={EXTERNAL: 1.0})),
    ],
    ids=["not scraped before", "not scraped after", "no such counter", "counter fell: the server restarted"],
)
def test_what_cannot_be_told_is_none(before: MetricsRecord, after: MetricsRecord) -> None:
    assert increase(before, after, "vllm:prompt_tokens_by_source_total", instances=["decode-0"]) is None
