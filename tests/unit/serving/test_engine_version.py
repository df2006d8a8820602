"""The program that `serving.python` names is asked for versions; whatever it is, what it says is told."""

from pathlib import Path

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.serving.instance.engine_version import engine_versions


def program(folder: Path, says: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\nprintf '{says}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("says", ["", "Python 3.11.7", "[]", "{}", "7", "\\377", '{"python": "3.11"}'])
def test_a_program_that_is_no_python_is_refused_with_what_it_said(says: str, tmp_path: Path) -> None:
    """`serving.python: /bin/echo` ended in the traceback of a JSON reader."""
    with pytest.raises(ConfigError, match="when it was asked for versions; expected a Python that has vLLM"):
        engine_versions(program(tmp_path, says))


def test_versions_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    said = '{"vllm": "0.23.0", "torch": "2.13.0", "nixl": null, "python": "3.11.7"}'
    assert engine_versions(program(tmp_path, said)) == {"vllm": "0.23.0", "torch": "2.13.0", "python": "3.11.7"}
