"""Settings as options of `spotlet adopt`, to paste."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from spotlet_export.adoption.recognition.family import BYTE, NONE, ONES


def option_line(changes: Mapping[str, Any]) -> str:
    """Returns settings as options of `spotlet adopt`, quoted for a shell."""
    words = []
    for name, value in changes.items():
        words += [f"--{name.replace('_', '-')}", _text(value)]
    return shlex.join(words)


def spelled_out(reading: object, names: Iterable[str]) -> str:
    """Returns the options that say some settings of a reading, even if they are the default."""
    said = {name: getattr(reading, name) for name in names}
    nothing = (("mean", NONE), ("std", ONES))
    return option_line(
        {name: value for name, value in said.items() if (name, value) not in nothing}
    )


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        same = len(value) == 3 and len(set(value)) == 1 and isinstance(value[0], float)
        return ",".join(map(_text, value[:1] if same else value))
    if isinstance(value, float):
        return "1/255" if value == BYTE else f"{value:.9g}"
    return str(value)
