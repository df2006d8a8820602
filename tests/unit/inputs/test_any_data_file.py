"""500 data files of all formats, damaged in every way: read as what they say, or refused in one message by name."""

import random
from pathlib import Path

import pytest
from fakes.damage import HOPELESS, SUBTLE, damaged
from fakes.data_files import MADE, TRACES, told, write_sound

from llmdvfs.inputs.datasets import _PARSERS
from llmdvfs.inputs.traces.table import TRACE_FORMATS

WAYS = (*SUBTLE, *HOPELESS)
NUM_FILES = 500
MAX_TOLD = 2000  # characters: a message is not the file


def test_every_format_that_is_read_is_here() -> None:
    assert {*TRACE_FORMATS, *_PARSERS} - {"chinese"} <= set(MADE)  # which comes with the program


@pytest.mark.parametrize(("kind", "packed"), [*((kind, False) for kind in MADE), *((kind, True) for kind in TRACES)])
def test_a_sound_file_is_read(kind: str, packed: bool, tmp_path: Path) -> None:
    for seed in range(5):
        assert told(kind, write_sound(tmp_path, kind, random.Random(seed), packed=packed)) is None


@pytest.mark.parametrize("how", WAYS)
def test_a_damaged_file_is_read_as_what_it_says_or_refused(how: str, tmp_path: Path) -> None:
    """`told` lets through errors of the tree alone, and looks at what was read."""
    for number in range(NUM_FILES // len(WAYS) + 1 if how != "huge" else 9):
        rng = random.Random(f"{how} {number}")
        kind = list(MADE)[number % len(MADE)]
        path = write_sound(tmp_path, kind, rng, packed=rng.random() < 0.3)
        path.write_bytes(damaged(path.read_bytes(), how, number))
        said = told(kind, path)
        assert said is None or (path.name in said and str(tmp_path) in said and len(said) < MAX_TOLD), (
            kind,
            number,
            said,
        )
