"""What was made on a formula says so wherever it goes, and is never applied to a GPU."""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes.sweeps import sweep
from matplotlib.figure import Figure

from llmdvfs.__main__ import main
from llmdvfs.answers.answer import answers
from llmdvfs.answers.fleet import fleets
from llmdvfs.answers.lookup import lookup_rows, lookup_table
from llmdvfs.answers.recommend import recommend
from llmdvfs.answers.table import answer_rows
from llmdvfs.answers.words import explain, table
from llmdvfs.commands.clocks import refuse_modelled
from llmdvfs.commands.fleet import lines
from llmdvfs.errors import ConfigError
from llmdvfs.figures.parts.style import mark_modelled
from llmdvfs.records.fleet import Demand
from llmdvfs.records.store import write_record

Cells = list[tuple]  # type: ignore[type-arg]


def cells(gpu: str) -> Cells:
    measured = sweep({1005: 0.9, 1200: 0.8, None: 1.0}, {1005: 0.015, 1200: 0.013, None: 0.010})
    return [(result, replace(run, hardware=run.hardware | {"gpus": [gpu]})) for result, run in measured]


def test_answers_of_a_modelled_gpu_say_so_in_every_form() -> None:
    record = answers(cells("MODELLED GPU 700 W"))
    assert record.modelled
    assert table(record).startswith("MODELLED")
    assert explain(record).startswith("MODELLED")
    assert all(row["modelled"] for row in answer_rows(record))
    assert all(row["modelled"] for row in lookup_rows(lookup_table(record.answers), modelled=record.modelled))
    demand = Demand(rate_rps=1.0, price_per_kwh=0.3, co2_kg_per_kwh=0.4)
    assert next(lines(fleets(record, demand))).startswith("MODELLED")
    assert recommend(record, cells("MODELLED GPU 700 W")).modelled


def test_a_real_gpu_has_no_mark() -> None:
    record = answers(cells("NVIDIA H100 80GB HBM3"))
    assert not record.modelled
    assert "MODELLED" not in table(record) + explain(record)


def test_a_modelled_recommendation_is_not_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = cells("MODELLED GPU 700 W")
    record, file = recommend(answers(measured), measured), tmp_path / "recommended_clocks.json"
    with pytest.raises(ConfigError, match="expected a measured one"):
        refuse_modelled(record, file)
    write_record(file, record)
    assert main(["clocks", "apply", str(file)]) != 0  # before any GPU is looked for
    assert "nothing was changed" in capsys.readouterr().err


def test_a_figure_of_a_modelled_gpu_has_the_word_across_it() -> None:
    figure = Figure()
    mark_modelled(figure)
    assert [text.get_text() for text in figure.texts] == ["MODELLED"]
