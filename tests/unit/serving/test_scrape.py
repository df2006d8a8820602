from llmdvfs.serving.instance.scrape import parse_metrics, scrape

TEXT = """\
# HELP python_gc_objects_collected_total Objects collected during gc
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 1024.0
# HELP vllm:prompt_tokens_by_source_total Prompt tokens by source.
# TYPE vllm:prompt_tokens_by_source_total counter
vllm:prompt_tokens_by_source_total{source="external_kv_transfer",engine="0",model_name="tiny"} 11072.0
vllm:prompt_tokens_by_source_created{source="external_kv_transfer",engine="0",model_name="tiny"} 1.7e+09
# HELP vllm:nixl_xfer_time_seconds Histogram of transfer duration.
# TYPE vllm:nixl_xfer_time_seconds histogram
vllm:nixl_xfer_time_seconds_bucket{le="0.005"} 3.0
vllm:nixl_xfer_time_seconds_bucket{le="+Inf"} 4.0
vllm:nixl_xfer_time_seconds_count 4.0
vllm:nixl_xfer_time_seconds_sum 0.25
"""


def test_every_vllm_sample_by_name_and_sorted_labels() -> None:
    assert parse_metrics(TEXT) == {
        'vllm:prompt_tokens_by_source_total{engine="0",model_name="tiny",source="external_kv_transfer"}': 11072.0,
        'vllm:nixl_xfer_time_seconds_bucket{le="0.005"}': 3.0,
        'vllm:nixl_xfer_time_seconds_bucket{le="+Inf"}': 4.0,
        "vllm:nixl_xfer_time_seconds_count": 4.0,
        "vllm:nixl_xfer_time_seconds_sum": 0.25,
    }


def test_an_instance_that_does_not_answer_has_none() -> None:
    record = scrape({"decode-0": "http://127.0.0.1:9"})
    assert record.instances == {"decode-0": None}
    assert record.taken_mono_ns > 0
