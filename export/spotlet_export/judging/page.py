"""The page of a proof: the verdict, the causes, the rows, the worst pictures."""

import html
from collections.abc import Sequence

import cv2

from spotlet.text.page import facts_table, figure_tiles, figures_table, html_page, inline_picture
from spotlet_export.gate.report import Report
from spotlet_export.judging.explaining import Explanation
from spotlet_export.judging.pictures import WorstPicture

JPEG_QUALITY = 88

STYLE = """<style>
.verdict { font-size: 1.25rem; font-weight: 600; padding: .6rem .9rem; border-radius: .4rem; }
.same { background: #e3f4e4; } .differs { background: #fbe6e3; }
td.number { white-space: normal; }
</style>"""

NOT_FOUND = (
    "None of the usual causes explains half of the difference: channel order, interpolation, "
    "placing and border of the frame, range of the pixels, encoding, unit and shift of the boxes, "
    "activation, class order, float16. The weights may be others."
)


def proof_page(
    titles: tuple[str, str],
    report: Report,
    explanation: Explanation | None,
    pictures: Sequence[WorstPicture],
    facts: Sequence[tuple[str, str]],
) -> str:
    """Returns the page, which needs no other file.

    Args:
        titles: of A and B.
        report: all rows.
        explanation: why they differ; None if they are the same, or it was not found.
        pictures: the worst.
        facts: on the comparison, names and texts.
    """
    passed = report.passed
    verdict = "A and B are the same" if passed else "A and B are not the same"
    parts = [
        STYLE,
        f"<h1>{verdict}</h1>",
        facts_table([("A", titles[0]), ("B", titles[1])]),
    ]
    if not passed:
        text = NOT_FOUND if explanation is None else f"{explanation.text}."
        parts.append(f'<p class="verdict differs">{html.escape(text)}</p>')
        if explanation is not None:
            causes = ", ".join(cause.culprit for cause in explanation.causes)
            parts.append(
                figure_tiles(
                    [
                        (causes, "cause"),
                        (f"{explanation.before:.3f}", "unlike as they are, 0 to 1"),
                        (f"{explanation.after:.3f}", "unlike with that change"),
                    ]
                )
            )
    rows = [
        (
            row.name,
            row.over,
            f"{row.measured:.3g}",
            f"{'≥' if row.at_least else '≤'} {row.limit:g}",
            "pass" if row.passed else "FAIL",
        )
        for row in report.rows
    ]
    parts += ["<h2>Compared</h2>", figures_table(("", "on", "measured", "limit", ""), rows)]
    parts.append("<h2>Where they differ most</h2>")
    for picture in pictures:
        content = cv2.imencode(".jpg", picture.drawn, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        about = f"{picture.name}: {picture.unlikeness:.1%} unlike"
        parts.append(f"<p>{html.escape(about)}</p>")
        parts.append(inline_picture("image/jpeg", content.tobytes(), about))
    if not pictures:
        parts.append("<p>They find the same in every picture.</p>")
    parts += ["<h2>How</h2>", facts_table(facts)]
    return html_page(verdict, parts)
