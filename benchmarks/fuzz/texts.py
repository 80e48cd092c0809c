"""Damage to JSON that a reader must survive: values of every kind in every place."""

import json
from copy import deepcopy
from random import Random
from typing import Any

STRANGE: tuple[Any, ...] = (
    *(None, True, "", "x" * 10_000, "\x1b[2J\x07", "a\nb", "\ud800", "\u202e", "../../etc/passwd"),
    *("/dev/zero", 0, -1, 1, 2**31, 2**63, -(2**63), 10**19, 10**400, 0.5, 1e308, -1e-300),
    *(float("nan"), float("inf"), [], {}, [[]], [0] * 1000, {"schema": 1}, [None], ["a", "a"]),
)
"""Values that break rules."""


def damage_json(text: str, random: Random) -> str:
    """Returns a JSON text that breaks a rule, or invalid JSON."""
    kind = random.randrange(8)
    if kind == 0:
        depth = random.choice((50, 1000, 100_000))
        return text[:-1] + ',"deep":' + "[" * depth + "]" * depth + "}"
    if kind == 1:
        return text[: random.randrange(len(text))]
    if kind == 2:
        at = random.randrange(len(text))
        return text[:at] + random.choice('{}[]",:0e-\\') + text[at + 1 :]
    if kind == 3:
        at = random.randrange(len(text))
        return text[:at] + random.choice(("9" * 5000, "NaN", "\x00", "\u009b1m")) + text[at:]
    content = json.loads(text)
    for _ in range(random.choice((1, 1, 1, 3))):
        _damage(content, random)
    return json.dumps(content, ensure_ascii=random.random() < 0.5)


def _damage(content: Any, random: Random) -> None:
    """Changes one place in an object or a list, near the root or deep."""
    while True:
        if not isinstance(content, dict | list) or not content:
            return
        key = random.choice(list(content) if isinstance(content, dict) else range(len(content)))
        if isinstance(content[key], dict | list) and content[key] and random.random() < 0.75:
            content = content[key]
            continue
        what = random.randrange(6)
        if what == 0:
            del content[key]
        elif what == 1 and isinstance(content, dict):
            content["unknown"] = content.pop(key)
        elif what == 2 and isinstance(content, list):
            content *= random.choice((2, 50))
        else:
            content[key] = deepcopy(random.choice(STRANGE))
        return
