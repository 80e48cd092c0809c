"""The comparison of whole programs as Markdown for people and JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.peers.machine import measurement_record
from benchmarks.peers.steady import Trial

SCHEMA = 1

HEADER = (
    "program", "frames/s", "x the yardstick", "ms a frame", "beyond the bare network, ms",
    "CPU ms a frame", "first detection, s", "peak MB", "objects",
)  # fmt: skip

OURS = ("spotlet", "numpy", "onnxruntime", "opencv-python-headless")

NOTES = (
    "Medians over the rounds, in which the programs take turns; ratios are medians of each round's "
    "ratio of frames a second.",
    "Frames/s, ms and CPU ms: the difference between the long and the short clip, per frame. "
    "First detection: from the start of the program. Peak: of the whole program.",
    "Bare network: one inference of the program's own graph by onnxruntime, in the same rounds.",
    "Spotlet writes every detection as NDJSON, Ultralytics one line of counts a frame, the loops "
    "one number; only the loop that says so draws.",
    "A run during which other programs used over 0.3 processors is repeated, at most twice.",
)


@dataclass(frozen=True, slots=True)
class Bout:
    """One network, or one question, and its results.

    Attributes:
        name: of the bout.
        title: what it is.
        yardstick: name of the program that the others are compared with.
        trial: the rounds.
    """

    name: str
    title: str
    yardstick: str
    trial: Trial


def as_markdown(bouts: Sequence[Bout], missing: Mapping[str, str]) -> str:
    """Returns a table for each bout, the missing peers, and notes on how to read it."""
    parts = [_table(bout) for bout in bouts]
    absent = [f"Not installed: {name} ({reason})." for name, reason in missing.items()]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in (*absent, *NOTES))])


def as_json(
    bouts: Sequence[Bout],
    missing: Mapping[str, str],
    conditions: Mapping[str, Any],
    peers: Mapping[str, Mapping[str, str]],
) -> str:
    """Returns the same with every round, the machine and the versions.

    Args:
        bouts: the measurements.
        missing: why peers did not take part, by name.
        conditions: of the measurement, such as clip and rounds.
        peers: versions in their environments, by environment.
    """
    measured = measurement_record(OURS)
    measured["versions"]["peers"] = peers
    content = {
        "schema": SCHEMA,
        **measured,
        "conditions": conditions,
        "missing": missing,
        "notes": NOTES,
        "bouts": [_record(bout) for bout in bouts],
    }
    return json.dumps(content, indent=1) + "\n"


def _table(bout: Bout) -> str:
    bare = ", ".join(f"{name} {ms:.2f} ms" for name, ms in _bare(bout).items())
    title = f"**{bout.name}**: {bout.title}. Bare network: {bare}."
    rows = [HEADER, ("---",) + ("---:",) * (len(HEADER) - 1)]
    for name in bout.trial.rounds:
        figures = bout.trial.median(name)
        ratio = _ratio(bout, name)
        rows.append(
            (
                name,
                f"{figures.frames_per_second:.0f}",
                "" if ratio is None else f"{ratio:.2f}",
                f"{1000 / figures.frames_per_second:.2f}",
                f"{figures.beyond_milliseconds:+.2f}",
                f"{figures.cpu_milliseconds:.2f}",
                f"{figures.first_seconds:.2f}",
                f"{figures.megabytes:.0f}",
                f"{figures.found:.0f}",
            )
        )
    for name, reason in bout.trial.failures.items():
        rows.append((name, reason.replace("|", "/"), *[""] * (len(HEADER) - 2)))
    return "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _ratio(bout: Bout, name: str) -> float | None:
    if bout.yardstick not in bout.trial.rounds:
        return None
    return bout.trial.ratio(name, bout.yardstick, "frames_per_second")


def _bare(bout: Bout) -> dict[str, float]:
    return {name: sorted(all_)[len(all_) // 2] for name, all_ in bout.trial.bare.items() if all_}


def _record(bout: Bout) -> dict[str, Any]:
    trial = bout.trial
    return {
        "name": bout.name,
        "title": bout.title,
        "yardstick": bout.yardstick,
        "bare_milliseconds": trial.bare,
        "medians": {
            name: asdict(trial.median(name)) | {"ratio": _ratio(bout, name)}
            for name in trial.rounds
        },
        "rounds": {name: [asdict(each) for each in taken] for name, taken in trial.rounds.items()},
        "failures": trial.failures,
    }
