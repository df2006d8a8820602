"""Documents that list things are made from the things they list."""

import re
from functools import cache
from pathlib import Path

import pytest

from llmdvfs.__main__ import COMMANDS, main
from llmdvfs.commands import schemas
from llmdvfs.commands.config_docs import page

CHECKOUT = Path(__file__).parents[3]
schema_files = cache(schemas.schema_files)  # a second to make


@pytest.mark.parametrize("name", schema_files())
def test_committed_schemas_are_those_of_the_records(name: str) -> None:
    committed = (CHECKOUT / "workflow" / "schemas" / name).read_text(encoding="utf-8")
    assert committed == schema_files()[name], "run `make schemas`"


def test_no_schema_is_left_over() -> None:
    committed = {path.name for path in (CHECKOUT / "workflow" / "schemas").glob("*.json")}
    assert committed == set(schema_files())


def test_configuration_page_is_that_of_the_schema() -> None:
    assert (CHECKOUT / "config" / "README.md").read_text(encoding="utf-8") == page(), "run `make schemas`"


@pytest.mark.parametrize("stage", COMMANDS)
def test_every_command_answers_help(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([stage, "--help"])
    assert end.value.code == 0
    assert COMMANDS[stage].split()[0] in capsys.readouterr().out


@pytest.mark.parametrize("page", sorted([*CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("README*.md")]), ids=str)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page}: {target}"
