"""The texts of the page in English and Chinese, from words.toml."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

WORDS_FILE = Path(__file__).with_name("words.toml")


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str


@cache
def all_words() -> Mapping[str, Mapping[str, Words]]:
    """Return section -> key -> text, for every text of the page."""
    sections = tomllib.loads(WORDS_FILE.read_text(encoding="utf-8"))
    return {name: {key: Words(**words) for key, words in section.items()} for name, section in sections.items()}


def words_of(section: str, key: str) -> Words:
    """Return one text; a key that nobody has translated (the name of a new gate, for instance) stands for itself."""
    return all_words()[section].get(key, Words(key, key))
