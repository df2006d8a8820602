"""Real vLLM over two hosts: prefill in one network namespace, decode in another, one capped link between them.

The same over a long link, with KV over the network and agents over ssh, is in tests/cluster/test_real_hosts.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.namespaces import two_hosts, why_no_namespaces

from .conftest import BEHIND_OTHERS, HERE, WORKFLOW, Answers
from .test_architectures import num_transferred

NUM_PROMPTS = 12
CAP_MBIT_PER_S = 100  # a cap that binds on a busy machine too: 400 was seen to carry 88 %


def test_prefill_and_decode_on_two_hosts_answer_as_the_single_server(
    answers: Answers, forty: list[list[int]], tmp_path: Path
) -> None:
    """KV goes as files of a folder that both share, the only way that vLLM has on a CPU without spinning threads."""
    if (why := why_no_namespaces()) is not None:
        pytest.skip(why)
    asked = forty[:NUM_PROMPTS]
    with two_hosts() as hosts:
        hosts.cap(CAP_MBIT_PER_S)
        reach = ["ip", "netns", "exec", hosts.there]
        order = {"addresses": hosts.addresses, "reach": reach, "connector": "example", "together": asked, "alone": []}
        command = [*BEHIND_OTHERS, sys.executable, str(HERE / "two_hosts_job.py"), str(tmp_path)]
        done = subprocess.run(
            ["ip", "netns", "exec", hosts.here, *command],
            input=json.dumps(order) + "\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            env=os.environ | {"PYTHONPATH": str(WORKFLOW)},
        )
    assert done.returncode == 0, done.stderr[-3000:] + (tmp_path / "progress.log").read_text()
    told = json.loads(done.stdout)
    assert told["together"] == answers.single[:NUM_PROMPTS]
    expected = sum(num_transferred(len(prompt)) for prompt in asked)
    assert told["tokens_by_source"]["external_kv_transfer"] == expected
    assert told["devices"] == {"prefill-0": ["n0/cpu"], "decode-0": ["n1/cpu"]}
    for (name, url), address in zip(told["urls"].items(), hosts.addresses, strict=True):
        assert url.startswith(f"http://{address}:"), name
    assert (told["path"]["sender"], told["path"]["receiver"]) == ("n0", "n1")
    # TCP's and Ethernet's heads are 4 to 5 % of a full packet.
    assert told["path"]["rate_bytes_per_s"] == pytest.approx(CAP_MBIT_PER_S * 1e6 / 8, rel=0.1)
