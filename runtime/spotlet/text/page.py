"""Parts of an HTML page that needs no other file and no network."""

import base64
import html
from collections.abc import Sequence

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 62rem; margin: 0 auto; padding: 1rem 1.2rem 4rem; }
h1 { font-size: 1.6rem; margin: 1rem 0 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .5rem; }
p, ul { margin: .4rem 0; }
.quiet { color: #666; font-size: .9rem; }
.figures { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1.2rem 0; }
.figures div { flex: 1 1 7.5rem; background: #f4f5f7; border-radius: .4rem; padding: .5rem .8rem; }
.figures b { display: block; font-size: 1.45rem; line-height: 1.3; }
.figures span { color: #666; font-size: .85rem; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; }
.pair img { flex: 1 1 20rem; min-width: 0; }
img { max-width: 100%; height: auto; align-self: flex-start; }
table { border-collapse: collapse; font-size: .92rem; }
.wide { overflow-x: auto; }
th, td { padding: .22rem .7rem; border-bottom: 1px solid #e3e3e3; text-align: left; }
td { overflow-wrap: break-word; }
summary { cursor: pointer; margin: .6rem 0; color: #666; }
th + th, td.number { text-align: right; white-space: nowrap; }
table.facts th { font-weight: normal; color: #666; white-space: nowrap; vertical-align: top; }
"""


def html_page(title: str, parts: Sequence[str]) -> str:
    """Returns a page of these parts.

    Args:
        title: plain text.
        parts: HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def inline_picture(kind: str, content: bytes, about: str) -> str:
    """Returns a picture as HTML.

    Args:
        kind: its media type.
        content: of its file.
        about: what it shows, plain text.
    """
    data = base64.b64encode(content).decode()
    return f'<img alt="{html.escape(about)}" src="data:{kind};base64,{data}">'


def figure_tiles(figures: Sequence[tuple[str, str]]) -> str:
    """Returns large figures, each with what it is below it; both plain text."""
    cells = [f"<div><b>{html.escape(a)}</b><span>{html.escape(b)}</span></div>" for a, b in figures]
    return f'<div class="figures">{"".join(cells)}</div>'


def figures_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns a table of a column of names and others of figures; plain text."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr><td>{html.escape(str(row[0]))}</td>"
        + "".join(f'<td class="number">{html.escape(str(cell))}</td>' for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'


def facts_table(rows: Sequence[tuple[str, str]]) -> str:
    """Returns a table of names and texts, plain text; empty without rows."""
    if not rows:
        return ""
    body = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>\n"
        for name, text in rows
    )
    return f'<table class="facts">{body}</table>'
