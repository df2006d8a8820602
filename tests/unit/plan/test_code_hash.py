import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmdvfs.plan import code_hash as module
from llmdvfs.plan.code_hash import code_hash


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A library of three files: stage -> engine, and a stranger that nobody imports."""
    root = tmp_path / "llmdvfs"
    (root / "commands").mkdir(parents=True)
    (root / "commands" / "__init__.py").write_text("")
    (root / "commands" / "run.py").write_text("from llmdvfs.engine import start\n\ndef run():\n    return start()\n")
    (root / "engine.py").write_text('"""Doc."""\n\ndef start():\n    """Doc."""\n    return 1\n')
    (root / "stranger.py").write_text("value = 1\n")
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(module.atexit, "register", lambda keep: None)
    forget()
    yield root
    forget()  # what this library's files hold is nothing of the real one's


def forget() -> None:
    """Have the next call look at the files again, as another run of Python does."""
    for cached in (module._parsed, module._source, module._assets, module._memory):
        cached.cache_clear()


def hash_after(library: Path, name: str, text: str) -> tuple[str, str]:
    before = code_hash(["commands.run"])
    (library / name).write_text(text)
    forget()
    return before, code_hash(["commands.run"])


@pytest.mark.parametrize(
    "same",
    [
        '"""Doc."""\n\n\n# a comment\ndef start():\n    """Another text."""\n    return 1\n',
        "def start():\n        return 1  # why\n",
    ],
)
def test_comments_docstrings_and_layout_do_not_count(library: Path, same: str) -> None:
    before, after = hash_after(library, "engine.py", same)
    assert after == before


def test_an_edit_of_an_imported_module_counts(library: Path) -> None:
    before, after = hash_after(library, "engine.py", "def start():\n    return 2\n")
    assert after != before


def test_a_module_that_is_not_imported_does_not_count(library: Path) -> None:
    before, after = hash_after(library, "stranger.py", "value = 2\n")
    assert after == before


def test_only_restricts_what_counts(library: Path) -> None:
    before = code_hash(["commands.run"], only=["commands"])
    (library / "engine.py").write_text("def start():\n    return 2\n")
    forget()
    assert code_hash(["commands.run"], only=["commands"]) == before


def test_a_copied_checkout_need_not_be_parsed_again(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files were remembered by their whole path, and only where Python had made a folder for compiled files."""
    at_exit = []
    monkeypatch.setattr(module.atexit, "register", at_exit.append)
    before = code_hash(["commands.run"])
    (keep,) = at_exit
    keep()
    remembered = json.loads(next((library / "__pycache__").glob("code_hash-*.json")).read_text())
    assert sorted(remembered) == ["commands/run.py", "engine.py"]

    copy = shutil.copytree(library, tmp_path / "copied" / "llmdvfs")
    monkeypatch.setattr(module, "ROOT", copy)
    monkeypatch.setattr(module, "_parse", lambda path: pytest.fail(f"{path} was parsed again"))
    forget()
    assert code_hash(["commands.run"]) == before
