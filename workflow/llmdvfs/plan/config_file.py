"""Reads a study file, and refuses what YAML would read as something other than what was meant."""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from llmdvfs.errors import ConfigError
from llmdvfs.plan.config import READ_AS_ANOTHER_NUMBER

MAX_BYTES = 2**18  # PyYAML takes up to 27 s a MiB, and longest for a file of empty mappings
EXAMPLE = "expected keys with values, as in config/config.yaml"


def read_config_file(path: Path) -> dict[str, Any]:
    """Return the content of a YAML or JSON file; ConfigError names file, line and what is wrong there.

    A key that is given twice is refused: YAML itself would take the last one and say nothing.
    """
    text = _text(path)
    try:
        content = json.loads(text, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError):
        try:
            content = yaml.load(text, _Loader)  # a SafeLoader
        except yaml.MarkedYAMLError as error:
            raise ConfigError(f"{path}:{_what_is_wrong(error)}") from error
        except RecursionError as error:
            raise ConfigError(f"{path}: brackets in brackets, too deep to be read; {EXAMPLE}") from error
        except (yaml.YAMLError, ValueError) as error:  # a character that YAML does not allow; a date like 2026-13-45
            raise ConfigError(f"{path}: {' '.join(str(error).split())}; {EXAMPLE}") from error
    if content is None:
        raise ConfigError(f"{path}: is empty; {EXAMPLE}")
    if not isinstance(content, dict):
        seen = "a list" if isinstance(content, list) else f"only {str(content)[:40]!r}"
        raise ConfigError(f"{path}: {seen} at the top level; {EXAMPLE}")
    return content


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(
                f"{path}: over {MAX_BYTES // 2**10} KiB; a study of a thousand cells takes a twentieth of it"
            )
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected a YAML file") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line}: byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which refuses numbers that mean another than they show, and keys given twice."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Return the whole number of a node; MarkedYAMLError where YAML reads another one than stands there."""
        self._refuse_traps(node)
        return int(super().construct_yaml_int(node))

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """Return the number of a node; MarkedYAMLError where YAML reads another one than stands there."""
        self._refuse_traps(node)
        return float(super().construct_yaml_float(node))

    def _refuse_traps(self, node: yaml.ScalarNode) -> None:
        if READ_AS_ANOTHER_NUMBER.fullmatch(node.value):
            problem = f"{node.value} is read as another number (octal, or minutes and seconds); write it in decimal"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping of a node; MarkedYAMLError where a key is given twice."""
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            key, mark = key_node.value, key_node.start_mark
            if key in seen:
                problem = f"key {key!r} is given twice (first in line {seen[key]})"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
            seen[key] = mark.line + 1
        return super().construct_mapping(node, deep)


# Constructors are looked up in a table of functions, so that the ones above have to be put there.
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; one with a key twice goes on to the reader that can say where."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _what_is_wrong(error: yaml.MarkedYAMLError) -> str:
    mark, problem = error.problem_mark or error.context_mark, error.problem or "cannot be understood"
    where = f"{mark.line + 1}:{mark.column + 1}" if mark else ""
    if "'\\t'" in problem:
        problem = "a tab; YAML is indented with spaces"
    elif "another number" in problem:
        pass
    elif "given twice" in problem:
        problem += "; expected each key once"
    else:
        problem += f"; {EXAMPLE}"
    return f"{where}: {problem}"
