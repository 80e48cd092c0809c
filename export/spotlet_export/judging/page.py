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


def proof_page(
    titles: tuple[str, str],
    report: Report,
    verdict: str,
    explanation: Explanation | None,
    pictures: Sequence[WorstPicture],
    facts: Sequence[tuple[str, str]],
) -> str:
    """Returns the page, which needs no other file.

    Args:
        titles: of A and B.
        report: all rows.
        verdict: in a sentence.
        explanation: why they differ; None if they are the same, or it was not found.
        pictures: the worst.
        facts: on the comparison, names and texts.
    """
    title = "A and B are the same" if report.passed else "A and B are not the same"
    colour = "same" if report.passed else "differs"
    parts = [
        STYLE,
        f"<h1>{title}</h1>",
        facts_table([("A", titles[0]), ("B", titles[1])]),
        f'<p class="verdict {colour}">{html.escape(verdict)}</p>',
    ]
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
    return html_page(title, parts)
