"""Both READMEs, taken apart: sections, commands, numbers, links."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = ("README.md", "README.zh.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(make|snakemake|python -m llmdvfs)\b")


@dataclass(frozen=True)
class Section:
    level: int
    text: str

    @property
    def prose(self) -> str:
        return FENCE.sub("", self.text)

    @property
    def numbers(self) -> Counter[str]:
        """Digits in prose, whatever unit follows; not those of links, which are compared by themselves."""
        return Counter(re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"\]\([^)]*\)", "]", self.prose)))

    @property
    def links(self) -> list[str]:
        return sorted(re.findall(r"\]\(([^)]*)\)", self.prose))

    @property
    def commands(self) -> list[str]:
        """Commands of fences and of inline code, without their comments."""
        fenced = [line for kind, body in FENCE.findall(self.text) if not kind for line in body.splitlines()]
        inline = re.findall(r"`([^`]+)`", self.prose)
        lines = [re.split(r"\s+#\s", line)[0].strip() for line in [*fenced, *inline]]
        return [line for line in lines if COMMAND.match(line) and " " in line]

    @property
    def yaml(self) -> list[str]:
        return [re.sub(r"\s+#.*", "", body) for kind, body in FENCE.findall(self.text) if kind == "yaml"]


def sections(name: str) -> list[Section]:
    text = (ROOT / name).read_text(encoding="utf-8")
    parts = re.split(r"^(#+) .*\n", text, flags=re.MULTILINE)[1:]
    return [Section(len(hashes), body) for hashes, body in zip(parts[::2], parts[1::2], strict=True)]


def commands() -> list[str]:
    return [command for section in sections("README.md") for command in section.commands]
