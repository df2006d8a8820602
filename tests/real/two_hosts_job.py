"""A job in the namespace of one host: real servers on two, a prefill here and a decode there; then it asks them.

python two_hosts_job.py FOLDER -> reads {"addresses", "there", "prompts"} from standard input, and tells as one line of
JSON what was answered, where decode's prompt tokens came from, and the path between the hosts.
"""

import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from llmdvfs.hosts.all_hosts import all_hosts, paths_between
from llmdvfs.records.spec import HostSpec
from llmdvfs.serving.deploy import deploy
from llmdvfs.serving.lifetime import become_subreaper_with_parent_death_signal
from llmdvfs.serving.planned import plan_launch
from real.conftest import ask, tokens_by_source
from real.job import interrupt, spec


def main(folder: Path) -> None:
    signal.signal(signal.SIGTERM, interrupt)
    become_subreaper_with_parent_death_signal()
    asked = json.load(sys.stdin)
    (here, there), shared = asked["addresses"], str(folder / "shared")
    hosts = (
        HostSpec("n0", here, folder=shared, roles=("prefill",)),
        HostSpec("n1", there, ("ip", "netns", "exec", asked["there"]), folder=shared, roles=("decode",)),
    )
    launch = plan_launch(replace(spec("disaggregated"), hosts=hosts), folder / "models")
    log = (folder / "progress.log").open("a", buffering=1)

    def say(text: str) -> None:
        print(text, file=log)

    with (
        all_hosts(launch, folder / "logs", folder, say) as on,
        deploy(on.launch, logs=folder / "logs", results=folder, progress=say, make_parts=on.parts) as deployment,
    ):
        decode = deployment.metrics_urls["decode-0"]
        before = tokens_by_source(decode)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda prompt: ask(deployment.base_url, prompt), asked["prompts"]))
        after = tokens_by_source(decode)
        told = {
            "answers": answers,
            "tokens_by_source": {name: after[name] - before.get(name, 0.0) for name in after},
            "devices": {item.name: item.device_ids for item in deployment.server_start.instances},
            "urls": deployment.metrics_urls,
            "paths": [asdict(path) for path in paths_between(on.hosts, on.launch.deployment)],
        }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
