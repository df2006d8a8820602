"""The raw folder of one large cell, made up: one instance on several GPUs that decodes on a steady beat.

It has the files and fields of a measured one (the small cell of tests/golden lends what does not grow with the load),
so that any version of the analysis since 124d028 reads it. Nothing in it was measured: it is there to be timed.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import orjson

MEASURED = Path(__file__).parents[2] / "tests" / "golden" / "disaggregated_small" / "raw"
NS_PER_S = 1_000_000_000
ORIGIN_NS = 100 * NS_PER_S
IDLE_S, LEAD_S = 2.0, 1.0
STEP_S, TTFT_S, TOKENS_A_REQUEST = 0.02, 0.1, 256
SENSORS_EVERY_S, COUNTER_EVERY_S = 0.1, 0.02
BUSY_W, IDLE_W = 450.0, 120.0


def make_raw(folder: Path, *, num_tokens: int, num_streams: int, num_gpus: int) -> float:
    """Write a raw folder with about so many output tokens; return the seconds of its load."""
    folder.mkdir(parents=True)
    for name in ("metrics_before.json", "metrics_after.json", "telemetry_report.json", "calibration.json"):
        shutil.copy(MEASURED / name, folder)
    request_s = TTFT_S + (TOKENS_A_REQUEST - 1) * STEP_S
    rounds = max(1, round(num_tokens / (num_streams * TOKENS_A_REQUEST)))
    load_s = rounds * request_s
    begin_ns = ORIGIN_NS + round((IDLE_S + LEAD_S) * NS_PER_S)
    _write_requests(folder, begin_ns, rounds, num_streams, request_s)
    devices = [f"gpu{number}" for number in range(num_gpus)]
    _write_run(folder, begin_ns, load_s, devices, num_streams)
    _write_telemetry(folder, begin_ns, load_s, devices)
    report = json.loads((MEASURED / "load_report.json").read_text())
    num_requests = rounds * num_streams
    report |= {
        "load_begin_mono_ns": begin_ns,
        "load_end_mono_ns": begin_ns + round(load_s * NS_PER_S),
        "num_requests": num_requests,
        "outcomes": {"ok": num_requests},
        "peak_in_flight": num_streams,
        "num_connections": num_streams,
    }
    (folder / "load_report.json").write_text(json.dumps(report))
    return load_s


def _write_requests(folder: Path, begin_ns: int, rounds: int, num_streams: int, request_s: float) -> None:
    random = np.random.default_rng(1)
    beat_ns = round(TTFT_S * NS_PER_S) + np.arange(TOKENS_A_REQUEST) * round(STEP_S * NS_PER_S)
    pattern = orjson.loads((MEASURED / "requests.jsonl").read_bytes().splitlines()[0])
    ones = [1] * TOKENS_A_REQUEST
    with (folder / "requests.jsonl").open("wb") as file:
        for index in range(rounds * num_streams):
            # places of the closed loop are spread over one request's time
            turn, place = divmod(index, num_streams)
            late_s = turn * request_s + place * request_s / num_streams * (turn > 0)
            sent_ns = begin_ns + round(late_s * NS_PER_S)
            chunks_ns = (sent_ns + beat_ns + random.integers(0, 300_000, TOKENS_A_REQUEST)).tolist()
            pattern |= {
                "request_id": f"{index:032x}",
                "index": index,
                "scheduled_mono_ns": sent_ns,
                "sent_mono_ns": sent_ns + 12_000,
                "headers_mono_ns": chunks_ns[0] - 1_000_000,
                "chunk_mono_ns": chunks_ns,
                "chunk_num_tokens": ones,
                "end_mono_ns": chunks_ns[-1] + 20_000,
                "num_output_tokens_requested": TOKENS_A_REQUEST,
                "num_output_tokens": TOKENS_A_REQUEST,
                "num_cached_prompt_tokens": 0,
            }
            file.write(orjson.dumps(pattern, option=orjson.OPT_APPEND_NEWLINE))


def _write_run(folder: Path, begin_ns: int, load_s: float, devices: list[str], num_streams: int) -> None:
    run = json.loads((MEASURED / "run.json").read_text())
    end_ns = begin_ns + round(load_s * NS_PER_S)
    run["server_start"]["instances"] = [
        run["server_start"]["instances"][0] | {"name": "single-0", "role": "single", "device_ids": devices}
    ]
    run["workload"]["arrival"]["concurrency"] = num_streams
    run["workload"]["prompts"]["output_tokens"]["value"] = TOKENS_A_REQUEST
    run["workload"]["duration_s"] = load_s
    run["deployment"] |= {"architecture": "single", "num_instances": {"single": 1}, "connector": None}
    run["deployment"]["engine"] = {"single": run["deployment"]["engine"]["decode"]}
    run |= {
        "gpu_links": [],
        "started_mono_ns": ORIGIN_NS,
        "load_begin_mono_ns": begin_ns,
        "load_end_mono_ns": end_ns,
        "idle_before": [ORIGIN_NS, ORIGIN_NS + round(IDLE_S * NS_PER_S)],
        "idle_after": [end_ns + NS_PER_S, end_ns + round((1 + IDLE_S) * NS_PER_S)],
    }
    run["hardware"]["gpus"] = [run["hardware"]["gpus"][0]] * len(devices)
    (folder / "run.json").write_text(json.dumps(run))


def _write_telemetry(folder: Path, begin_ns: int, load_s: float, devices: list[str]) -> None:
    """Sensors and counters of all GPUs, and the counters on a beat of their own, as the sampler writes them."""
    lines = (MEASURED / "telemetry.jsonl").read_bytes().splitlines()
    header = orjson.loads(lines[0])
    gpu = header["devices"][0]
    header["devices"] = [
        gpu | {"device_id": name, "index": number, "uuid": f"GPU-{number:032x}"} for number, name in enumerate(devices)
    ]
    sensors = next(line["v"] for line in map(orjson.loads, lines[1:]) if "power_instant_w" in line["v"])
    total_s = IDLE_S + LEAD_S + load_s + 1 + IDLE_S
    begin_s = (begin_ns - ORIGIN_NS) / NS_PER_S
    random = np.random.default_rng(2)
    per_reading = round(SENSORS_EVERY_S / COUNTER_EVERY_S)
    with (folder / "telemetry.jsonl").open("wb") as file:
        file.write(orjson.dumps(header, option=orjson.OPT_APPEND_NEWLINE))
        for number in range(int(total_s / COUNTER_EVERY_S)):
            t_s = number * COUNTER_EVERY_S
            is_busy = begin_s <= t_s <= begin_s + load_s
            busy_s = min(max(t_s - begin_s, 0.0), load_s)
            begin = ORIGIN_NS + round(t_s * NS_PER_S)
            for device in devices:
                energy = {"energy_j": round(IDLE_W * t_s + (BUSY_W - IDLE_W) * busy_s, 3)}
                line = {"d": device, "b": begin, "e": begin + 2_000_000, "v": energy}
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
                if number % per_reading == 0:
                    power_w = (BUSY_W if is_busy else IDLE_W) + float(random.normal(0, 5))
                    values = sensors | {"power_instant_w": power_w, "power_average_w": power_w}
                    line = {"d": device, "b": begin, "e": begin + 3_000_000, "v": values}
                    file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
