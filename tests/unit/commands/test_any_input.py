"""Whatever lies where a command expects its files: one clear message and an exit code, never a traceback.

bench/faults/damaged_inputs.py tries more of the same.
"""

import multiprocessing
import os
import random
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from fakes.commands import COMMANDS, Command, Outcome, outcome, write_inputs
from fakes.damage import HOPELESS, SUBTLE, damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmdvfs.__main__ import COMMANDS as DECLARED
from llmdvfs.__main__ import main
from llmdvfs.commands.gate_limits import NAMES
from llmdvfs.plan.config import config_schema

WITHOUT_FILES = {
    *("model", "unlock", "forget", "mock-server", "schemas", "measuring", "config-docs", "start-server", "guard"),
    *("sequential", "agent"),
}
"""They read no file that another command or a person wrote."""
READS = [(command, name) for command in COMMANDS for name in command.reads]
LIMIT_S = 60.0
MAX_TOLD = 2000  # characters: a message is not the file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("inputs")
        patched.chdir(folder)
        write_inputs(folder)
        yield folder


@pytest.fixture(scope="module")
def apart(folder: Path) -> Iterator[ProcessPoolExecutor]:
    """A process for commands that take theirs for their own; it begins in the folder."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def run(command: Command, apart: ProcessPoolExecutor) -> tuple[int, str]:
    """Return the exit code and what is told of a failure: one message, and never a traceback."""
    ended: Outcome = apart.submit(outcome, command.line).result(LIMIT_S) if command.apart else outcome(command.line)
    assert not ended.trace, ended.trace
    assert "Traceback" not in ended.out + ended.err
    if command.name == "doctor":
        return ended.code, ended.out  # its table is what it tells
    if command.apart and ended.code == command.code:
        return ended.code, ended.out + ended.err  # as with sound files: nobody there to be measured
    assert bool(ended.code) == ended.err.startswith("llmdvfs "), ended.err
    assert not ended.code or len(ended.err) < MAX_TOLD
    return ended.code, ended.err


def test_every_command_is_here_or_reads_no_file() -> None:
    assert {command.line.split()[0] for command in COMMANDS} | WITHOUT_FILES == set(DECLARED)


COPIES = {"merge-results"}
"""It opens what it copies, whatever that is."""
OPENED: set[str] = set()
"""Paths that this process opens for reading, while `watch_opens` watches."""


@pytest.fixture(scope="module")
def watch_opens() -> None:
    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & os.O_ACCMODE == os.O_RDONLY:
            OPENED.add(arguments[0])

    sys.addaudithook(note)


@pytest.mark.parametrize(
    "command",
    [command for command in COMMANDS if not command.apart and command.name not in COPIES],
    ids=lambda command: command.name,
)
def test_every_file_that_a_command_opens_is_one_that_is_damaged_here(
    command: Command, folder: Path, watch_opens: None
) -> None:
    """Watched, and not taken from a list: a command that reads a further file is tried with that, too."""
    OPENED.clear()
    outcome(command.line)
    inside = {os.path.relpath(path, folder) for path in map(os.path.abspath, OPENED) if path.startswith(str(folder))}
    read = {path for path in inside if not path.startswith("out") and (folder / path).is_file()}
    assert {re.sub(r"points/\d+/", "points/0/", path) for path in read} - set(command.reads) <= {"python"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_sound_files_are_read(command: Command, folder: Path, apart: ProcessPoolExecutor) -> None:
    code, told = run(command, apart)
    if command.name == "clocks apply":
        assert "NVML" in told or code == 0  # no GPU here: the file was read before
    else:
        assert code == command.code, told


@pytest.mark.parametrize(("command", "name"), READS, ids=[f"{command.name}: {name}" for command, name in READS])
def test_a_file_of_which_nothing_is_left_is_named(
    command: Command, name: str, folder: Path, apart: ProcessPoolExecutor
) -> None:
    path, whole = folder / name, (folder / name).read_bytes()
    how = random.Random(f"{command.name} {name}").choice(["missing", *HOPELESS])
    try:
        if how == "missing":
            path.unlink()
        else:
            path.write_bytes(damaged(whole, how, 0))
        code, told = run(command, apart)
    finally:
        path.write_bytes(whole)
    if name not in (command.optional if how == "missing" else command.may_be_empty):
        assert code == 1, how
        assert Path(name).name in told or f"{Path(name).parent}/" in told or "wrong configuration" in told, told


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(read=st.sampled_from(READS), how=st.sampled_from([*SUBTLE, *HOPELESS]), seed=st.integers(0, 10**6))
def test_any_damage_is_told_or_harmless(
    read: tuple[Command, str], how: str, seed: int, folder: Path, apart: ProcessPoolExecutor
) -> None:
    command, name = read
    path, whole = folder / name, (folder / name).read_bytes()
    try:
        path.write_bytes(damaged(whole, how, seed))
        run(command, apart)
    finally:
        path.write_bytes(whole)


def test_an_argument_that_is_no_json_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("", "{", "[" * 100_000, "null", '{"id": 1}'):
        assert main(["start-server", "--deployment", text, "--models", "m", "--output", "launch.json"]) == 1
        assert capsys.readouterr().err.startswith("llmdvfs start-server: argument: ")


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        ("[[[", "--gates: '[[[': not JSON"),
        ("[" * 100_000, "not JSON (maximum recursion"),  # was a traceback
        ("null", "'null': no object of JSON"),
        ('{"min_window_z": 1}', "'min_window_z': no gate has such a limit; expected an object of limits by name"),
        ('{"min_window_s": "5"}', "min_window_s: '5': expected a number, 0 or more"),
        ('{"min_window_s": NaN}', "min_window_s: nan: expected a number"),
        (f'{{"min_window_s": {10**400}}}', "min_window_s: 1000000"),
        ('{"min_window_s": 1e999}', "min_window_s: inf: expected a number"),
    ],
)
def test_gates_that_are_none_are_told(gates: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets without end were a traceback, and an unknown name was a fault of the cell's files."""
    with pytest.raises(SystemExit) as ended:
        main(["analyze", "--seed", "1", "--gates", gates, "cell"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert words in told
    assert len(told) < MAX_TOLD


def test_all_limits_of_the_configuration_are_gates() -> None:
    assert set(config_schema()["properties"]["gates"]["properties"]) <= NAMES
