"""Text and JSON from strangers' files: what may be shown on a terminal or a page."""

import json
import math
import unicodedata
from typing import Any, NoReturn

MOST_DIGITS = 20
"""The most digits of an integer in JSON, those of 64 bits. Longer ones do not fit a float."""

DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of those after them and can disguise a name.

Source: Unicode Standard Annex 9, "Unicode Bidirectional Algorithm", section 2.
"""

UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: controls such as a terminal's escapes, lone surrogates, which no encoding
has, line and paragraph separators."""


def is_plain(text: str, allowed: str = "") -> bool:
    r"""Returns whether a text is one line that every terminal shows unchanged.

    Args:
        text: from a stranger.
        allowed: other characters that it may contain.

    Example:
        >>> is_plain("Möwe 🐦"), is_plain("\x1b[2J"), is_plain("a\nb", allowed="\n")
        (True, False, True)
    """
    if text.isascii() and text.isprintable():  # nearly all texts, and fast
        return True
    return all(
        c in allowed or (unicodedata.category(c) not in UNSEEN and c not in DIRECTIONS)
        for c in text
    )


def plain_line(text: str, most: int = 300) -> str:
    """Returns a text with a `?` for each character that is not plain, cut to `most` characters."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return shown if is_plain(shown) else "".join(c if is_plain(c) else "?" for c in shown)


def parse_json(text: str | bytes) -> Any:
    """Returns the content of a JSON text, if every reader understands it in the same way.

    Stricter than `json.loads`: no duplicate keys, numbers are finite and have 64 bits at most, and
    texts are plain except for line ends and tabs.

    Args:
        text: bytes are UTF-8.

    Raises:
        ValueError: it is not such JSON, or nested deeper than Python can follow.

    Example:
        >>> parse_json('{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
    """
    try:
        content = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            parse_int=_integer,
            parse_float=_finite_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_of,
        )
        _require_plain(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return content


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _finite_number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("duplicate key")
    return content


def _require_plain(content: Any) -> None:
    if isinstance(content, str):
        if not is_plain(content, allowed="\n\t"):
            raise ValueError(f"a text has control characters: {plain_line(content, 40)!r}")
    elif isinstance(content, dict):
        for key, value in content.items():
            _require_plain(key)
            _require_plain(value)
    elif isinstance(content, list):
        for value in content:
            _require_plain(value)


def first_line(error: Exception) -> str:
    """Returns the first line of an exception's message."""
    lines = str(error).splitlines() or [type(error).__name__]
    return plain_line(lines[0])  # it may quote names from a model file
