"""Whatever lies where a command expects its files: one clear message and an exit code, never a traceback.

bench/faults/damaged_inputs.py tries more of the same.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.commands import COMMANDS, Command, write_inputs
from fakes.damage import HOPELESS, SUBTLE, damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmdvfs.__main__ import STAGES, main

WITHOUT_FILES = {
    *("model", "monitor", "unlock", "forget", "mock-server", "schemas", "measuring", "config-docs", "start-server"),
    *("benchmark", "load", "guard", "proxy", "search", "sequential"),
}
"""They read no file of an earlier command, or run servers: these read what `read_record` and `from_json` read, and
`search` and `sequential` what `doctor` reads."""
READS = [(command, name) for command in COMMANDS for name in command.reads]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("inputs")
        patched.chdir(folder)
        write_inputs(folder)
        yield folder


def run(command: Command, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code and what is told of a failure."""
    capsys.readouterr()
    code = main(command.line.split())
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    if command.name == "doctor":
        return code, printed.out  # its table is what it tells
    assert bool(code) == printed.err.startswith("llmdvfs "), printed.err
    return code, printed.err


def test_every_command_is_here_or_reads_no_file() -> None:
    assert {command.line.split()[0] for command in COMMANDS} | WITHOUT_FILES == set(STAGES)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_sound_files_are_read(command: Command, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(command, capsys)
    if command.name == "clocks apply":
        assert "NVML" in told or code == 0  # no GPU here: the file was read before
    else:
        assert code == 0, told


@pytest.mark.parametrize(("command", "name"), READS, ids=[f"{command.name}: {name}" for command, name in READS])
def test_a_file_of_which_nothing_is_left_is_named(
    command: Command, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, whole = folder / name, (folder / name).read_bytes()
    how = random.Random(f"{command.name} {name}").choice(["missing", *HOPELESS])
    try:
        if how == "missing":
            path.unlink()
        else:
            path.write_bytes(damaged(whole, how, 0))
        code, told = run(command, capsys)
    finally:
        path.write_bytes(whole)
    if name not in (command.optional if how == "missing" else command.may_be_empty):
        assert code == 1, how
        assert Path(name).name in told or str(Path(name).parent) in told, told


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(read=st.sampled_from(READS), how=st.sampled_from([*SUBTLE, *HOPELESS]), seed=st.integers(0, 10**6))
def test_any_damage_is_told_or_harmless(
    read: tuple[Command, str], how: str, seed: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, name = read
    path, whole = folder / name, (folder / name).read_bytes()
    try:
        path.write_bytes(damaged(whole, how, seed))
        run(command, capsys)
    finally:
        path.write_bytes(whole)


def test_an_argument_that_is_no_json_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("", "{", "[" * 100_000, "null", '{"id": 1}'):
        assert main(["start-server", "--deployment", text, "--models", "m", "--output", "launch.json"]) == 1
        assert capsys.readouterr().err.startswith("llmdvfs start-server: argument: ")
