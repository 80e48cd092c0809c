import re
from pathlib import Path

import pytest

from spotlet.check import check_model
from spotlet.model.package import bundled_models, locate_models

MODELS = bundled_models()

MOST_BYTES = 4_000_000
"""Of the file that `spotlet run` takes."""


def test_the_models_that_come_with_spotlet_are_those_that_the_readme_names() -> None:
    assert set(MODELS) == {"cards", "cells", "everyday", "garments", "pcb"}


@pytest.mark.parametrize("name", MODELS)
def test_a_bundled_model_computes_here_what_it_computed_there(name: str) -> None:
    assert (MODELS[name] / "model.onnx").stat().st_size < MOST_BYTES
    for path in locate_models(name):
        report = check_model(path)
        assert report.failures == ()
        assert report.recorded


@pytest.mark.parametrize("name", MODELS)
def test_the_card_of_a_bundled_model_is_whole(name: str) -> None:
    card = (MODELS[name] / "CARD.md").read_text(encoding="utf-8")
    assert not re.search(r"@[A-Z]+@", card)
    for part in ("## Where it comes from", "spotlet train", "licen", "## What it is for"):
        assert part.lower() in card.lower()
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", card):
        assert (MODELS[name] / picture).is_file()


def test_no_page_has_a_blank_to_fill_in() -> None:
    root = Path(__file__).parents[2]
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("models/**/*.md")]
    assert len(pages) > 5
    assert [page.name for page in pages if re.search(r"@[A-Z]+@", page.read_text("utf-8"))] == []
