"""The page that shows what was labelled, with the pictures most in doubt first."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from spotlet.annotate import class_colour_bgr
from spotlet.atomic import atomic_file
from spotlet.coco_labels import ABOUT_KEY, FIRST_ID, LABEL_FILE, PICTURE_FOLDER
from spotlet.errors import SourceError
from spotlet.image_files import read_image
from spotlet.text.page import facts_table, figure_tiles, figures_table, html_page
from spotlet_training.labelling.folder import PAGE_FILE, SetFolder
from spotlet_training.labelling.label_file import Entry, Row, unknown_ids
from spotlet_training.labelling.summary import ClassCount

MOST_DOUBTFUL, MOST_EMPTY = 48, 12
"""Pictures on the page, which holds them itself: together about 3 MB."""

PICTURE_PIXELS = 480
"""Longer side of a picture on the page."""

JPEG_QUALITY = 80

BARS = 20
"""Of the histogram of scores, from 0 to 1."""

STYLE = """<style>
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
figure { margin: 0; }
figcaption { font-size: .85rem; color: #666; overflow-wrap: anywhere; }
figure svg { width: 100%; height: auto; background: #f4f5f7; }
figure text { paint-order: stroke; stroke: #fff; font-weight: 600; }
.key span { display: inline-block; margin-right: 1rem; }
.key i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; }
</style>"""

REVIEW = (
    ("CVAT", f"Create a task with the files of {PICTURE_FOLDER}/ and the classes above, each with "
     f"a checkbox attribute is_crowd. Actions > Upload annotations > COCO 1.0: {LABEL_FILE}. "
     f"Correct the boxes, then Export task dataset > COCO 1.0, and replace "
     f"{LABEL_FILE} by the one in the archive."),
    ("Label Studio", "pip install label-studio-sdk; label-studio-converter import coco -i "
     f"{LABEL_FILE} -o tasks.json --image-root-url ADDRESS, that of {PICTURE_FOLDER}/; import "
     "tasks.json. Correct the boxes, then Export > COCO. It does not mark what is in doubt."),
    ("dashed boxes", "In doubt: neither object nor background for the training (iscrowd in the "
     "label file, is_crowd in CVAT). Delete those that show nothing; clear the mark of others."),
)  # fmt: skip

INCOMPLETE = (
    "{} pictures may show objects of classes that no model of the run knows. The label file says "
    "which (neg_category_ids); CVAT and Label Studio drop that, so label these classes there too."
)


NOBODY = "a person, or a model that a tool has not kept note of"


def write_page(folder: SetFolder, counts: Sequence[ClassCount], teachers: Sequence[str]) -> Path:
    """Writes the page of a set into its folder; returns its path.

    Args:
        folder: the set.
        counts: of its classes.
        teachers: names of those that labelled its pictures.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder.path / PAGE_FILE
    with atomic_file(path) as temporary:
        page = page_text(folder, counts, teachers)
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def page_text(folder: SetFolder, counts: Sequence[ClassCount], teachers: Sequence[str]) -> str:
    """Returns the page; see `write_page`."""
    entries = list(folder.content.entries.values())
    empty = [entry for entry in entries if not entry.rows]
    doubtful = sorted((entry for entry in entries if _doubt(entry.image)), key=_order)
    shown = doubtful[:MOST_DOUBTFUL]
    title = f"{folder.path.resolve().name}: labels to review"
    header = ("class", "objects", "in doubt", "pictures", "threshold")
    rows = [
        (one.name, one.objects, one.ignored, one.pictures, thresholds_text(one.thresholds))
        for one in counts
    ]
    sums = [sum(one.objects for one in counts), sum(one.ignored for one in counts)]
    return html_page(
        title,
        [
            STYLE,
            f"<h1>{html.escape(title)}</h1>",
            f'<p class="quiet">labelled by {html.escape(", ".join(teachers) or NOBODY)}</p>',
            figure_tiles(
                [
                    (str(len(entries)), "pictures"),
                    (str(sums[0]), "objects"),
                    (str(sums[1]), "regions in doubt"),
                    (str(len(empty)), "pictures without anything"),
                ]
            ),
            "<h2>By class</h2>",
            figures_table(header, rows),
            "<h2>Scores</h2>",
            '<p class="quiet">Boxes by their score: objects dark, regions in doubt light.</p>',
            _histogram(entries),
            "<h2>How to correct them</h2>",
            facts_table([*REVIEW, *_incomplete(folder, entries)]),
            f"<h2>Most in doubt ({len(shown)} of {len(doubtful)})</h2>",
            _legend(folder.class_names),
            _sheet(folder, shown),
            f"<h2>Nothing found ({min(len(empty), MOST_EMPTY)} of {len(empty)})</h2>",
            '<p class="quiet">They teach what is not an object: check that nothing was missed.</p>',
            _sheet(folder, [empty[index] for index in _spread(len(empty), MOST_EMPTY)]),
        ],
    )


def thresholds_text(thresholds: Sequence[float]) -> str:
    """Returns the thresholds of the teachers, those that are equal once."""
    return " / ".join(dict.fromkeys(f"{each:.2f}" for each in thresholds)) or "not noted"


def _incomplete(folder: SetFolder, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    names = folder.class_names
    ids = {row["category_id"] for entry in entries for row in entry.rows}
    count = sum(bool(unknown_ids(image, rows, ids, len(names))) for image, rows, _ in entries)
    return [("incomplete", INCOMPLETE.format(count))] if count else []


def _doubt(image: Row) -> float:
    about = image.get(ABOUT_KEY)
    doubt = about.get("doubt") if isinstance(about, Mapping) else 0
    return float(doubt) if isinstance(doubt, int | float) else 0.0


def _order(entry: Entry) -> tuple[float, str]:
    return -_doubt(entry.image), entry.path.name


def _spread(count: int, most: int) -> list[int]:
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, most)).tolist()})


def _sheet(folder: SetFolder, entries: Sequence[Entry]) -> str:
    figures = [_figure(folder, entry) for entry in entries]
    return f'<div class="sheet">{"".join(figures)}</div>' if figures else "<p>None.</p>"


def _figure(folder: SetFolder, entry: Entry) -> str:
    """Returns a picture with its boxes as vectors; the boxes alone if it cannot be read."""
    image, rows, path = entry
    width, height = int(image["width"]), int(image["height"])
    ignored = sum(bool(row.get("iscrowd")) for row in rows)
    caption = f"{path.name}: {len(rows) - ignored} sure, {ignored} in doubt"
    boxes = "".join(_box(row, folder.class_names, max(width, height)) for row in rows)
    return (
        f'<figure><svg viewBox="0 0 {width} {height}">'
        f"{_embedded(path, width, height)}{boxes}</svg>"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>\n"
    )


def _embedded(path: Path, width: int, height: int) -> str:
    try:
        picture = read_image(path)
    except SourceError:
        return ""
    scale = min(PICTURE_PIXELS / max(picture.shape[:2]), 1)
    size = (max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    data = base64.b64encode(content).decode()
    return f'<image href="data:image/jpeg;base64,{data}" width="{width}" height="{height}"/>'


def _box(row: Row, class_names: Sequence[str], side: int) -> str:
    left, top, width, height = (float(each) for each in row["bbox"])
    class_id = int(row["category_id"]) - FIRST_ID
    colour, line, letters = _colour(class_id), side / 220, side / 36
    dashes = f' stroke-dasharray="{3 * line:.4g} {2 * line:.4g}"' if row.get("iscrowd") else ""
    score = row.get("score")
    text = class_names[class_id] + (f" {score:.2f}" if isinstance(score, float | int) else "")
    place = top - line * 1.5 if top > letters else top + letters
    at, anchor = (left + line, "start") if left < side * 0.7 else (left + width, "end")
    return (
        f'<rect x="{left:.4g}" y="{top:.4g}" width="{width:.4g}" height="{height:.4g}" '
        f'fill="none" stroke="{colour}" stroke-width="{line:.4g}"{dashes}/>'
        f'<text x="{at:.4g}" y="{place:.4g}" font-size="{letters:.4g}" text-anchor="{anchor}" '
        f'stroke-width="{letters / 5:.4g}">{html.escape(text)}</text>'
    )


def _legend(class_names: Sequence[str]) -> str:
    keys = "".join(
        f'<span><i style="background:{_colour(index)}"></i>{html.escape(name)}</span>'
        for index, name in enumerate(class_names)
    )
    return f'<p class="key quiet">{keys}</p>'


def _colour(class_id: int) -> str:
    blue, green, red = class_colour_bgr(class_id)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _histogram(entries: Sequence[Entry]) -> str:
    """Returns bars of the scores of objects, and above them those of regions in doubt."""
    counts = np.zeros((2, BARS), int)
    for _, rows, _ in entries:
        for row in rows:
            if isinstance(score := row.get("score"), float | int):
                bar = min(max(int(score * BARS), 0), BARS - 1)
                counts[1 if row.get("iscrowd") else 0, bar] += 1
    most = max(int(counts.sum(axis=0).max()), 1)
    parts = []
    for bar in range(BARS):
        sure, doubtful = (90 * int(each) / most for each in counts[:, bar])
        about = f"{bar / BARS:.2f} to {(bar + 1) / BARS:.2f}: {counts[0, bar]}, {counts[1, bar]}"
        x, base = 20 * bar + 1, 92
        parts.append(
            f"<g><title>{about}</title>"
            f'<rect x="{x}" y="{base - sure:.4g}" width="18" height="{sure:.4g}" fill="#345"/>'
            f'<rect x="{x}" y="{base - sure - doubtful:.4g}" width="18" '
            f'height="{doubtful:.4g}" fill="#9bd"/></g>'
        )
    ticks = "".join(
        f'<text x="{20 * BARS * at:.4g}" y="106" font-size="11" fill="#666" '
        f'text-anchor="{anchor}">{at:g}</text>'
        for at, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    return (
        f'<svg viewBox="0 0 {20 * BARS} 110" style="max-width:40rem;width:100%">'
        f'{"".join(parts)}<path d="M0 92.5H{20 * BARS}" stroke="#999"/>{ticks}</svg>'
    )
