"""Markdown that shows any text literally, whatever Markdown syntax is in it."""

import re
from pathlib import Path

from spotlet.errors import InputError


def fenced(text: str, language: str = "") -> str:
    """Returns text as a code block, for a table or a program.

    Args:
        text: shown literally, without its last line feed.
        language: for syntax highlighting.

    Example:
        >>> print(fenced("a | b"))
        ```
        a | b
        ```
    """
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.removesuffix(chr(10))}\n{fence}"


def code_span(text: str) -> str:
    """Returns text as inline code; line feeds become spaces.

    Example:
        >>> code_span("mouse_bite"), code_span("a`b")
        ('`mouse_bite`', '``a`b``')
    """
    line = " ".join(text.splitlines())
    fence = "`" * (_longest_run(line) + 1)
    gap = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{gap}{line}{gap}{fence}"


def section(title: str, *paragraphs: str) -> str:
    """Returns a second-level heading and paragraphs, separated by blank lines."""
    return "\n\n".join([f"## {title}", *paragraphs])


def read_notes(path: Path | str) -> str:
    """Returns the author's Markdown from a file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text; give a Markdown file") from error


def _longest_run(text: str) -> int:
    """Returns the length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
