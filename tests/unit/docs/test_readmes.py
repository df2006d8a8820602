"""What the READMEs print can be typed, and both say the same. `snakemake` commands: tests/workflow/test_readme.py."""

import importlib
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest
import yaml
from readmes import ROOT, commands, sections

from llmdvfs.__main__ import COMMANDS
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study

OURS = [command for command in commands() if command.startswith("python -m llmdvfs")]
MAKE = [command for command in commands() if command.startswith("make")]


@pytest.mark.parametrize("command", OURS)
def test_a_command_of_ours_is_complete_as_it_is_printed(command: str) -> None:
    """`export` was printed without the --output that it cannot do without."""
    name, *arguments = shlex.split(command)[3:]
    assert name in COMMANDS
    parser = ArgumentParser(exit_on_error=False)
    importlib.import_module(f"llmdvfs.commands.{name.replace('-', '_')}").add_arguments(parser)
    parser.parse_args(arguments)


@pytest.mark.parametrize("command", MAKE)
def test_a_target_of_make_exists_with_its_lock_and_study(command: str) -> None:
    _, target, *settings = shlex.split(command)
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    given = dict(setting.split("=", 1) for setting in settings)
    assert (ROOT / "envs" / f"{given.get('ENV', 'cpu')}.lock").is_file()
    assert all(Path(ROOT, word).is_file() for word in shlex.split(given.get("ARGS", "")) if word.endswith(".yaml"))


def test_the_printed_study_is_a_study() -> None:
    [text] = [text for section in sections("README.md") for text in section.yaml]
    study = make_study(complete_config(yaml.safe_load(text)), lambda python: {"vllm": "0.23.0"})
    assert list(study.workloads) == ["mixed"]
    assert len(study.deployments) == 3


def test_both_have_the_same_sections() -> None:
    english, chinese = sections("README.md"), sections("README.zh.md")
    assert [own.level for own in english] == [own.level for own in chinese]


@pytest.mark.parametrize("number", range(len(sections("README.md"))))
def test_sections_have_the_same_commands_numbers_and_links(number: int) -> None:
    english, chinese = sections("README.md")[number], sections("README.zh.md")[number]
    assert english.commands == chinese.commands
    assert [yaml.safe_load(text) for text in english.yaml] == [yaml.safe_load(text) for text in chinese.yaml]
    assert english.numbers == chinese.numbers
    assert [link.replace("README.zh.md", "README.md") for link in english.links] == chinese.links


def test_chinese_sentences_are_not_broken_into_lines() -> None:
    """A line break between two Chinese characters is shown as a blank."""
    for section in sections("README.zh.md"):
        assert re.findall(r"[一-鿿，。；：、]\n[一-鿿]", section.prose) == []
