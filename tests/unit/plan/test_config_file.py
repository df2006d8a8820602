"""A study file that is no study file: the line, what is wrong there, and what to write."""

from pathlib import Path

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.plan.config_file import read_config_file

WRONG: list[tuple[str, bytes, list[str]]] = [
    ("a key twice", b"launches: 3\nseed: 1\nlaunches: 5\n", [":3:1", "'launches'", "twice", "line 1"]),
    ("a nested key twice", b"serving:\n  gpus: [0]\n  gpus: [1]\n", [":3:3", "'gpus'", "twice", "line 2"]),
    ("a key twice in a line", b"serving: {gpus: [0], gpus: [1]}\n", [":1:", "'gpus'", "twice"]),
    ("a key twice in JSON", b'{"launches": 3,\n "launches": 5}', [":2:", "'launches'", "twice"]),
    ("a tab", b"serving:\n\tgpus: [0]\n", [":2:1", "tab", "spaces"]),
    ("nothing", b"", ["is empty", "config/config.yaml"]),
    ("comments only", b"# launches: 3\n", ["is empty"]),
    ("a list", b"- launches: 3\n", ["a list at the top level", "keys with values"]),
    ("a word", b"launches\n", ["only 'launches' at the top level"]),
    ("an open bracket", b"architectures: [single\n", [":2:1", "expected"]),
    ("a second colon", b"serving: gpus: [0]\n", [":1:14", "not allowed here"]),
    ("Latin-1", "models: {modèle: {source: tiny}}\n".encode("latin-1"), [":1:", "0xe8", "UTF-8"]),
    ("UTF-16", "launches: 3\n".encode("utf-16"), ["UTF-8"]),
    ("a control character", b"launches: 3\x07\n", ["special characters"]),
    ("a Python object", b"seed: !!python/object:os.system {}\n", [":1:7", "could not determine a constructor"]),
    ("two documents", b"launches: 3\n---\nseed: 1\n", [":2:1", "another document"]),
    ("brackets in brackets", b"[" * 100_000, ["too deep"]),
    ("a book", b"# a line of a comment\n" * 50_000, ["over 256 KiB"]),
    ("a million mappings", b"x: [" + b"{}," * 1_000_000 + b"]", ["over 256 KiB"]),  # half a minute a MiB
    ("no such date", b"remeasure: 2026-13-45\n", ["month must be in 1..12"]),
]


@pytest.mark.parametrize(("content", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_broken_file_is_refused_by_line(tmp_path: Path, content: bytes, words: list[str]) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        read_config_file(path)
    message = str(refusal.value)
    assert message.startswith(str(path))
    for word in words:
        assert word in message
    assert len(message.splitlines()) == 1


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_config_file(path)


@pytest.mark.parametrize("content", [b"launches: 3\n", b'{"launches": 3}', b"\xef\xbb\xbflaunches: 3\r\n"])
def test_yaml_json_and_windows_files_are_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    assert read_config_file(path) == {"launches": 3}


def test_merged_keys_may_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\n")
    assert read_config_file(path)["b"] == {"x": 3, "y": 2}
