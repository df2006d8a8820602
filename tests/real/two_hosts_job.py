"""A job in the namespace of one host: real servers on two, a prefill here and a decode there; then it asks them.

python two_hosts_job.py FOLDER -> reads {"addresses", "reach", "connector", "together", "alone"}, and maybe "by_prefill"
and "env" of the engines, as a line of standard input. It tells as one line of JSON what was answered to prompts that
were asked together and one by one, what prefill by itself answers, where decode's prompt tokens came from, what the
transfers of prompts alone took by the engine's own counters, the path between the hosts and the other clock. A second
line of input is a prompt for an answer without an end: then a second line tells what died under it, and when.
"""

import json
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from llmdvfs.clock import mono_ns
from llmdvfs.hosts.all_hosts import AllHosts, all_hosts, paths_between
from llmdvfs.records.spec import DeploymentSpec, HostSpec
from llmdvfs.serving.deploy import Deployment, deploy
from llmdvfs.serving.instance.http import post
from llmdvfs.serving.instance.scrape import scrape
from llmdvfs.serving.lifetime import become_subreaper_with_parent_death_signal
from llmdvfs.serving.planned import plan_launch
from real.conftest import ask, tokens_by_source
from real.job import interrupt, spec

NUM_ENDLESS_TOKENS = 2000
TRANSFERRED = {"vllm:nixl_bytes_transferred_sum": "bytes", "vllm:nixl_xfer_time_seconds_sum": "seconds"}


def main(folder: Path) -> None:
    signal.signal(signal.SIGTERM, interrupt)
    become_subreaper_with_parent_death_signal()
    asked = json.loads(sys.stdin.readline())
    launch = plan_launch(spread(asked, str(folder / "shared")), folder / "models")
    log = (folder / "progress.log").open("a", buffering=1)

    def say(text: str) -> None:
        print(text, file=log)

    begin_ns = mono_ns()
    with (
        all_hosts(launch, folder / "logs", folder, say) as on,
        deploy(on.launch, logs=folder / "logs", results=folder, progress=say, make_parts=on.parts) as deployment,
    ):
        print(json.dumps(told(asked, on, deployment, begin_ns)), flush=True)
        if endless := sys.stdin.readline():
            print(json.dumps(first_death(deployment, json.loads(endless))), flush=True)


def spread(asked: dict[str, Any], shared: str) -> DeploymentSpec:
    """Return the deployment over both hosts."""
    here, there = asked["addresses"]
    hosts = (
        HostSpec("n0", here, folder=shared, roles=("prefill",)),
        HostSpec("n1", there, tuple(asked["reach"]), folder=shared, roles=("decode",)),
    )
    plain = spec("disaggregated")
    engine = {role: replace(one, env={**one.env, **asked.get("env", {})}) for role, one in plain.engine.items()}
    return replace(plain, hosts=hosts, connector=asked["connector"], engine=engine)


def told(asked: dict[str, Any], on: AllHosts, deployment: Deployment, begin_ns: int) -> dict[str, Any]:
    """Ask, and return what there is to tell."""
    decode = deployment.metrics_urls["decode-0"]
    (path,) = paths_between(on.hosts, on.launch.deployment)
    before = tokens_by_source(decode)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda prompt: ask(deployment.base_url, prompt), asked["together"]))
    moved = transferred(decode)
    alone = [ask(deployment.base_url, prompt) for prompt in asked["alone"]]
    moved_alone = {name: value - moved[name] for name, value in transferred(decode).items()}
    after = tokens_by_source(decode)
    clock = on.hosts[1].record(begin_ns).clock
    prefill = deployment.metrics_urls["prefill-0"]
    by_prefill = [ask(prefill, prompt) for prompt in asked.get("by_prefill", [])]
    return {
        "together": together,
        "alone": alone,
        "by_prefill": by_prefill,
        "moved_alone": moved_alone,
        "tokens_by_source": {name: after[name] - before.get(name, 0.0) for name in after},
        "devices": {item.name: item.device_ids for item in deployment.server_start.instances},
        "urls": deployment.metrics_urls,
        "path": asdict(path),
        "clock": clock and asdict(clock),
    }


def transferred(url: str) -> dict[str, float]:
    """Return bytes and seconds of all transfers so far, as NIXL's counters in the engine have them; empty without."""
    samples = scrape({"it": url}).instances["it"]
    assert samples is not None
    return {
        TRANSFERRED[name]: value for sample, value in samples.items() if (name := sample.split("{")[0]) in TRANSFERRED
    }


def first_death(deployment: Deployment, prompt: list[int]) -> dict[str, Any]:
    """Have an answer without an end under way, and return what died first and at which instant (`mono_ns`)."""
    body = {"model": "tiny", "prompt": prompt, "max_tokens": NUM_ENDLESS_TOKENS, "ignore_eos": True}
    url = f"{deployment.base_url}/v1/completions"
    threading.Thread(target=post, args=(url, body, 600.0), daemon=True).start()
    while (dead := deployment.first_dead()) is None:
        time.sleep(0.05)
    return {"name": dead[0], "cause": dead[1], "mono_ns": mono_ns()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
