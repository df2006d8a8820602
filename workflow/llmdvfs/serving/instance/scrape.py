"""Reads the servers' own metrics into one record."""

import math
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from llmdvfs.clock import mono_ns
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.serving.instance.http import get

PREFIX = "vllm:"
LIMIT_S = 10.0


def scrape(base_urls: Mapping[str, str]) -> MetricsRecord:
    """Return every vLLM sample of every instance; None for an instance that did not answer.

    base_urls: name of the instance -> its base URL.
    """
    taken = mono_ns()
    instances: dict[str, dict[str, float] | None] = {}
    for name, url in base_urls.items():
        reply = get(f"{url}/metrics", LIMIT_S)
        instances[name] = _parse_if_metrics(reply.body) if reply.ok else None
    return MetricsRecord(taken, instances)


def _parse_if_metrics(body: bytes) -> dict[str, float] | None:
    try:
        return parse_metrics(body.decode("utf-8"))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None  # somebody else's endpoint may answer anything there, which the parser does not expect


def parse_metrics(text: str) -> dict[str, float]:
    """Return `vllm:name{label="value",...}` -> value of a text in Prometheus' format.

    Labels are in alphabetical order; the samples `_created`, times of creation, are left out.
    """
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            is_wanted = sample.name.startswith(PREFIX) and not sample.name.endswith("_created")
            if is_wanted and math.isfinite(sample.value):  # NaN is Prometheus's way to say that there is no value
                labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
                samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples
