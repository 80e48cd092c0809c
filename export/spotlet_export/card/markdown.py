"""Markdown that shows any text as it is, whatever signs of Markdown are in it."""

import re


def fenced(text: str, language: str = "") -> str:
    """Returns text as a block of code: a table, a program.

    Args:
        text: shown as it stands; its last line feed does not count.
        language: for the colours of a program.

    Example:
        >>> print(fenced("a | b"))
        ```
        a | b
        ```
    """
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.removesuffix(chr(10))}\n{fence}"


def code_span(text: str) -> str:
    """Returns text as code within a line; line feeds become spaces.

    Example:
        >>> code_span("mouse_bite"), code_span("a`b")
        ('`mouse_bite`', '``a`b``')
    """
    line = " ".join(text.splitlines())
    fence = "`" * (_longest_run(line) + 1)
    gap = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{gap}{line}{gap}{fence}"


def section(title: str, *paragraphs: str) -> str:
    """Returns a heading of the second level and paragraphs, a blank line between any two."""
    return "\n\n".join([f"## {title}", *paragraphs])


def _longest_run(text: str) -> int:
    """Returns the length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
