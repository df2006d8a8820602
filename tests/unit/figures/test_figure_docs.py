from pathlib import Path

import pytest

from llmdvfs.figures.answer_figures import ANSWER_FIGURES
from llmdvfs.figures.table import CELL_FIGURES, COMPARISON_FIGURES, DEPLOYMENT_FIGURES

ROOT = Path(__file__).parents[3]
NAMES = {
    **{f"cell_{name}": f"cells/.../{name}" for name in CELL_FIGURES},
    **{name: f"deployments/.../{name}" for name in DEPLOYMENT_FIGURES},
    **{name: f"comparison/{name}" for name in COMPARISON_FIGURES},
    **{name: f"answers/{name}" for name in ANSWER_FIGURES},
}


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_caption_with_n_and_data(name: str) -> None:
    caption = " ".join((ROOT / "workflow" / "report" / f"{name}.rst").read_text(encoding="utf-8").split())
    assert "n = " in caption
    assert "Data: ``" in caption


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_listed(name: str) -> None:
    assert f"`{NAMES[name]}`" in (ROOT / "docs" / "figures" / "README.md").read_text(encoding="utf-8")
