"""A wrong configuration on the command line: one message, exit code 1, nothing started."""

import pytest
from workflow.conftest import Checkout


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("launchs=3", "did you mean 'launches'"),
        ("launches=many", "launches: 'many': expected integer"),
        ("architectures=dual", "architecture 'dual' is not known"),
        ("models={'m': {'source': 'path', 'location': '/no/such/folder'}}", "'/no/such/folder' is not a folder"),
    ],
)
def test_one_message_and_exit_code_1(finished: Checkout, override: str, words: str) -> None:
    run = finished.snakemake("--config", override)
    output = run.stdout + run.stderr
    assert run.returncode == 1
    assert words in output
    assert "Traceback" not in output
    assert "common.smk" not in output
