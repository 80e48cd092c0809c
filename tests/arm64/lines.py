"""Compares the NDJSON lines of two runs over the same frames."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOX_TOLERANCE = 0.01
"""Pixels. The lines have two decimals: values that nearly agree may round to neighbours."""

Object = dict[str, Any]


@dataclass(slots=True)
class Comparison:
    """How two runs differ.

    Attributes:
        frames: how many both have.
        objects: how many objects were compared.
        box: greatest difference of a side of a box, pixels.
        score: greatest difference of a score.
        faults: what is not the same, in words; empty where nothing is.
    """

    frames: int
    objects: int = 0
    box: float = 0.0
    score: float = 0.0
    faults: list[str] = field(default_factory=list)


def compare_lines(wanted: Path, found: Path) -> Comparison:
    """Returns how far what was found is from what was wanted.

    Args:
        wanted: NDJSON of a run.
        found: NDJSON of another run over the same frames.
    """
    frames = _frames(wanted), _frames(found)
    result = Comparison(frames=len(frames[0]))
    if not frames[0] or len(frames[0]) != len(frames[1]):
        result.faults.append(f"{len(frames[1])} frames, wanted {len(frames[0])}")
        return result
    for number, (want, got) in enumerate(zip(*frames, strict=True)):
        names = sorted(each["name"] for each in want), sorted(each["name"] for each in got)
        if names[0] != names[1]:
            result.faults.append(f"frame {number}: {names[1]}, wanted {names[0]}")
            continue
        _compare_objects(want, got, result)
    # In hundredths of a pixel, as the lines have them.
    if round(100 * result.box) > round(100 * BOX_TOLERANCE):
        result.faults.append(f"a box differs by {result.box:.2f} px, allowed {BOX_TOLERANCE}")
    return result


def _compare_objects(want: list[Object], got: list[Object], result: Comparison) -> None:
    """Pairs each object with the nearest of its class; the order near ties is the machine's."""
    left = list(got)
    for each in want:
        partner = min(
            (other for other in left if other["name"] == each["name"]),
            key=lambda other: _box_difference(each, other),
        )
        left.remove(partner)
        result.objects += 1
        result.box = max(result.box, _box_difference(each, partner))
        result.score = max(result.score, abs(each["score"] - partner["score"]))


def _box_difference(one: Object, other: Object) -> float:
    return max(float(abs(a - b)) for a, b in zip(one["box"], other["box"], strict=True))


def _frames(path: Path) -> list[list[Object]]:
    events = map(json.loads, path.read_text().splitlines())
    return [event["detections"] for event in events if "detections" in event]
