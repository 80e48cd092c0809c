"""The report as one HTML page that needs no other file and no network."""

import html
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from spotlet.evaluation import figure_text
from spotlet.text.page import facts_table, figure_tiles, figures_table, html_page, inline_picture
from spotlet_training.evaluation.measurement import Measurement
from spotlet_training.report.confusion import ConfusionMatrix

GLOSSARY = (
    ("IoU", "how well two boxes agree: the area they share over the area they cover together"),
    ("AP50", "from 0 to 1: how much is found and how little is false, over all score thresholds; "
     "a box is right from an IoU of 0.5"),
    ("AP", "the mean over IoU 0.50, 0.55, … 0.95: boxes must fit well"),
    ("precision", "share of the boxes that are right"),
    ("recall", "share of the objects that are found"),
    ("F1", "harmonic mean of precision and recall, here the mean over the classes"),
)  # fmt: skip

Picture = tuple[str, bytes]
"""Media type and content."""


def make_page(
    measured: Measurement,
    matrix: ConfusionMatrix,
    words: Sequence[str],
    pictures: Mapping[str, Picture],
) -> str:
    """Returns the page.

    Args:
        measured: the figures.
        matrix: the mistakes at the score threshold.
        words: sentences on what it means.
        pictures: by name: `precision`, `threshold` and `confusion`; `history`, `best` and `worst`
            if they exist.
    """

    def picture(name: str, about: str) -> str:
        if name not in pictures:
            return ""
        return inline_picture(*pictures[name], about)

    title = f"{_title(measured)}: how well it detects"
    images = len(measured.evaluation.truths)
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="quiet">{html.escape(measured.name)}, measured on {images} images; '
        f"timed on {html.escape(measured.latency.engine)}</p>",
        _figures(measured),
        "<h2>What it means</h2>",
        "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in words) + "</ul>",
        "<h2>By class</h2>",
        _class_table(measured, matrix),
        _size_table(measured),
    ]
    if "history" in pictures:
        parts += ["<h2>Training</h2>", picture("history", "Loss and accuracy by epoch")]
    parts += [
        "<h2>Precision and recall</h2>",
        '<div class="pair">',
        picture("precision", "Precision by recall of each class"),
        picture("threshold", "Precision, recall and F1 by score threshold"),
        "</div>",
        "<h2>Confused classes</h2>",
        '<p class="quiet">Objects by their class (rows) and the class they were found as '
        f"(columns), at a score threshold of {measured.score_threshold:.2f} and IoU 0.5. Last row: "
        "boxes without such an object. Last column: missed objects.</p>",
        picture("confusion", "Confusion matrix"),
        "<h2>Images with the most mistakes</h2>",
        '<p class="quiet">Check the labels too: a false box may show an object without a label, '
        "a missed object might not exist.</p>",
        picture("worst", "Images with the most mistakes") or "<p>There are no mistakes.</p>",
        "<h2>Images without a mistake</h2>",
        picture("best", "Images without a mistake") or "<p>Every image has a mistake.</p>",
        "<h2>How it was trained</h2>",
        *_recipe_parts(measured.training),
        "<h2>Glossary</h2>",
        facts_table(GLOSSARY),
    ]
    return html_page(title, parts)


def recipe(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns a training record as rows, nested settings unfolded.

    Example:
        >>> recipe({"epoch": 3, "settings": {"epochs": 30, "size_hw": [320, 320]}})
        [('epoch', '3'), ('epochs', '30'), ('size hw', '320 x 320')]
    """
    rows: list[tuple[str, str]] = []
    for key, value in training.items():
        if isinstance(value, Mapping):
            rows += recipe(value)
        elif isinstance(value, list | tuple):
            rows.append((key.replace("_", " "), " x ".join(map(str, value))))
        elif value not in (None, ""):
            rows.append((key.replace("_", " "), str(value)))
    return rows


def _title(measured: Measurement) -> str:
    return str(measured.training.get("data") or PurePath(measured.name).name)


def _recipe_parts(training: Mapping[str, Any]) -> list[str]:
    """Returns the record's own entries, and the nested ones folded away."""
    own = {key: value for key, value in training.items() if not isinstance(value, Mapping)}
    inner = {key: value for key, value in training.items() if isinstance(value, Mapping)}
    parts = [facts_table(recipe(own)) or "<p>The file does not say.</p>"]
    if inner:
        settings = facts_table(recipe(inner))
        parts.append(f"<details><summary>Every setting</summary>{settings}</details>")
    return parts


def _figures(measured: Measurement) -> str:
    accuracy, best = measured.evaluation.accuracy, measured.evaluation.operating_point
    figures = [
        (figure_text(accuracy.ap50), "AP50"),
        (figure_text(accuracy.ap), "AP"),
        (figure_text(None if best is None else best.f1), "best F1"),
        (f"{measured.score_threshold:.2f}", "score threshold"),
        (f"{measured.latency.median_ms:.1f} ms", "per image, median"),
    ]
    return figure_tiles(figures)


def _class_table(measured: Measurement, matrix: ConfusionMatrix) -> str:
    columns = (matrix.objects, matrix.right, matrix.taken_for_another, matrix.missed, matrix.false)
    counts = [[int(column[n]) for column in columns] for n in range(len(matrix.class_names))]
    if len(counts) > 1:
        counts.append([sum(each) for each in zip(*counts, strict=True)])
    # With one class, a row for all would repeat it.
    rows = [
        (name, row[0], ap50, ap, *row[1:])
        for (name, ap50, ap), row in zip(measured.evaluation.accuracy.rows(), counts, strict=False)
    ]
    header = ("class", "objects", "AP50", "AP", "found", "as another", "missed", "false")
    return figures_table(header, rows)


def _size_table(measured: Measurement) -> str:
    rows = measured.evaluation.accuracy.size_rows()
    return "<h2>By size in pixels</h2>" + figures_table(("size", "objects", "AP"), rows)
