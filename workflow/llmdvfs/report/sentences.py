"""Chinese for sentences that records hold in English, found again among the templates of sentences.toml.

Records keep one language, so that those of any version can be read; the page has two. What no template fits (the error
of another program, or a version that said it otherwise) stays as it is.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from llmdvfs.report.words import Words

SENTENCES_FILE = Path(__file__).with_name("sentences.toml")
SEPARATORS = (("; ", "；"), (", ", "，"))
NAMED = re.compile(r"(?P<name>[^ ]+(?=: )|gpu\d+|cpu)(?P<end>: | )(?P<said>.+)", re.DOTALL)
ENGLISH_WORD = re.compile(r"[A-Za-z]{2,}")


class Template(NamedTuple):
    """One sentence: what its English looks like, and its Chinese with the values' places."""

    english: re.Pattern[str]
    chinese: str
    is_ending: bool
    """Whether it begins with a mark, and so is the end of another sentence."""
    longest: str
    """Its longest piece between values: text without it is not tried."""


def in_both(text: str) -> Words:
    """Return a record's text in both languages; the Chinese is the text itself where nothing in it is known."""
    return Words(text, in_chinese(text))


@cache
def in_chinese(text: str) -> str:
    """Return a record's text in Chinese, with its values translated too where they are sentences.

    Where it can be read in several ways (`a of b; c` as a list, or as `{} of {}`), the one that leaves the fewest
    English words is taken, of equal ones the list, then the named one; text that nothing fits is returned unchanged.
    """
    if not ENGLISH_WORD.search(text):
        return text
    readings = [text, *_enumerated(text), *_named(text), *_filled(text)]
    if text.startswith(": "):
        readings.insert(0, f"：{in_chinese(text[2:])}")
    return min(readings, key=lambda reading: len(ENGLISH_WORD.findall(reading)))


@cache
def _templates() -> tuple[Template, ...]:
    sections = tomllib.loads(SENTENCES_FILE.read_text(encoding="utf-8")).values()
    made = [_template(english, chinese) for section in sections for english, chinese in section.items()]
    return tuple(sorted(made, key=lambda own: (not own.is_ending, -len(own.english.pattern))))


def _template(english: str, chinese: str) -> Template:
    is_ending, pieces = english[0] in ",;: ", english.split("{}")
    pattern = ("(.*?)" if is_ending else "") + "(.*?)".join(map(re.escape, pieces))
    return Template(re.compile(pattern, re.DOTALL), chinese, is_ending, max(pieces, key=len))


def _filled(text: str) -> Iterator[str]:
    """Yield the Chinese of every template that the whole text fits."""
    for template in _templates():
        if template.longest in text and (found := template.english.fullmatch(text)):
            values = [in_chinese(value) for value in found.groups()]
            head = values.pop(0) if template.is_ending else ""
            yield head + template.chinese.format(*values)


def _enumerated(text: str) -> Iterator[str]:
    """Yield the text as a list of sentences; a separator in parentheses, or before a mere number, separates nothing."""
    for english, chinese in SEPARATORS:
        parts = [""]
        for part in text.split(english):
            is_open = parts[-1].count("(") > parts[-1].count(")")
            goes_on = is_open or (len(parts) > 1 and not ENGLISH_WORD.search(part))
            parts[-1:] = [f"{parts[-1]}{english}{part}"] if goes_on else [parts[-1], part]
        if len(parts) > 2:
            yield chinese.join(in_chinese(part) for part in parts[1:])


def _named(text: str) -> Iterator[str]:
    """Yield what follows the name of a cell, a deployment or a device, with the name before it."""
    if (found := NAMED.fullmatch(text)) and (said := in_chinese(found["said"])) != found["said"]:
        yield f"{found['name']}{'：' if found['end'] == ': ' else ' '}{said}"
