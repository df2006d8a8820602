"""Numbers on the command line that no command could use."""

import argparse
import importlib
from collections.abc import Iterator

import pytest

from llmdvfs.__main__ import STAGES, main


def options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options of a parser, and of its own commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for further in action.choices.values():
                yield from options(further)
        yield action


@pytest.mark.parametrize("command", STAGES)
def test_no_option_takes_any_number(command: str) -> None:
    """`int` and `float` take -1 and nan: every option says which numbers it can use (stages/numbers.py)."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f"llmdvfs.stages.{command.replace('-', '_')}").add_arguments(parser)
    assert [option.dest for option in options(parser) if option.type in (int, float)] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("proxy --plan p --log l --port 99999", "--port: 99999: expected a port, 0 to 65535"),  # was 34463, silently
        ("mock-server --port 65536", "--port: 65536: expected a port, 0 to 65535"),
        ("mock-server --tokens-per-step 0", "--tokens-per-step: 0: expected a whole number, 1 or more"),
        ("mock-server --gap-s nan", "--gap-s: nan: expected a number, 0 or more"),
        ("monitor --duration nan", "--duration: nan: expected a number, 0 or more"),  # ended at once, as if well
        ("monitor --interval 0", "--interval: 0: expected a number above 0"),
        ("analyze --seed=-1 cell", "--seed: -1: expected a whole number, 0 or more"),
        ("compare --margin inf a b", "--margin: inf: expected a number, 0 or more"),
    ],
)
def test_a_number_that_cannot_be_used_is_refused(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
