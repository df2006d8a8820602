"""A job as the benchmark is one: it deploys real servers, tells its test about them and waits until it is ended.

python job.py ARCHITECTURE FOLDER [prepared] -> on standard output one JSON object a line: "ready", then "dead" when one
died. prepared: the servers import first, and are told to serve then.
"""

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmdvfs.architectures.table import parse_architecture
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, ModelSpec
from llmdvfs.serving.deploy import Deployment, deploy, prepare
from llmdvfs.serving.lifetime import become_subreaper_with_parent_death_signal, descendants
from llmdvfs.serving.planned import plan_launch

# float32: batches of different sizes round differently in bfloat16, and greedy answers would differ for that alone.
ENGINE = EngineSpec(
    dtype="float32",
    enforce_eager=True,
    max_model_len=4096,
    max_num_seqs=16,
    block_size=32,
    # 16 requests of the longest, 2,024 tokens: none is ever preempted, which the example connector would not survive.
    num_gpu_blocks_override=1024,
    cpu_kv_cache_gib=1,
    omp_num_threads=1,
    extra_args=("--max-logprobs", "1000"),  # for answers of many bytes
)
# An engine that computes in its own process: several of them with a worker each would spin on the cores they share.
WITHOUT_WORKER = replace(ENGINE, env={"VLLM_ENABLE_V1_MULTIPROCESSING": "0"})


def spec(architecture: str) -> DeploymentSpec:
    choice = parse_architecture(architecture)
    return DeploymentSpec(
        id=architecture,
        architecture=choice.name,
        model=ModelSpec("tiny", "tiny", ""),
        device="cpu",
        engine=dict.fromkeys(choice.num_instances, ENGINE if architecture == "single" else WITHOUT_WORKER),
        num_instances=dict(choice.num_instances),
        connector="example" if choice.connector else None,
    )


def tell(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


def tell_ready(deployment: Deployment) -> None:
    tell(
        "ready",
        base_url=deployment.base_url,
        instances={instance.name: instance.base_url for instance in deployment.instances},
        pids={process.name: process.server_pid() for process in deployment.processes()},
        prepared_s=[instance.prepared_s for instance in deployment.server_start.instances],
        startup_s={instance.name: instance.startup_s for instance in deployment.server_start.instances},
        storage=str(deployment.storage),
        plan=str(deployment.proxy_log.with_name("proxy_plan.json")) if deployment.proxy_log else None,
        family=descendants(os.getpid()),
    )


def interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(architecture: str, folder: Path, *how: str) -> None:
    signal.signal(signal.SIGTERM, interrupt)
    become_subreaper_with_parent_death_signal()
    launch = plan_launch(spec(architecture), folder / "models")
    log = (folder / "progress.log").open("a", buffering=1)
    logs = folder / "logs"
    with contextlib.ExitStack() as block:
        progress = lambda text: print(text, file=log)  # noqa: E731
        prepares = how == ("prepared",)
        start = block.enter_context(prepare(launch, logs=logs, progress=progress)) if prepares else None
        deployment = block.enter_context(deploy(launch, logs=logs, progress=progress, prepared=start))
        tell_ready(deployment)
        while (dead := deployment.first_dead()) is None:
            time.sleep(0.05)
        tell("dead", name=dead[0], cause=dead[1])
        signal.pause()


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
    except KeyboardInterrupt:
        sys.exit(130)
