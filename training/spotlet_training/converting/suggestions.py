"""What a COCO file has beyond boxes: the scores of suggestions, and notes on a picture."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.coco_labels import ABOUT_KEY
from spotlet_training.datasets.checks import read_text
from spotlet_training.datasets.coco_rows import file_name, whole_number
from spotlet_training.datasets.labels import ImageLabels


@dataclass(frozen=True, slots=True)
class _Extras:
    """Scores by an annotation's id; notes by a picture's `file_name`."""

    scores: dict[int, float]
    about: dict[str, dict[str, Any]]


@dataclass(slots=True)
class Suggestions:
    """Looks up what the readers of labels leave out; each file is read once.

    Attributes:
        outlines: how many annotations of the files so far have an outline or key points.
    """

    outlines: int = 0
    _files: dict[Path, _Extras] = field(default_factory=dict)

    def scores(self, labels: ImageLabels) -> FloatArray | None:
        """Returns the scores of the objects, NaN where there is none; None without any."""
        known = self._extras(labels.label_file).scores
        scores = np.array([known.get(place, np.nan) for place in labels.places], np.float32)
        return None if np.isnan(scores).all() else scores

    def about(self, labels: ImageLabels) -> dict[str, Any]:
        """Returns what is noted of a picture; nothing if it is not in a COCO file."""
        known = self._extras(labels.label_file).about
        parts = labels.path.parts
        names = ("/".join(parts[first:]) for first in range(len(parts)) if known)
        return next((known[name] for name in names if name in known), {})

    def _extras(self, file: Path) -> _Extras:
        if file not in self._files:
            self._files[file] = _Extras({}, {})
            if file.suffix == ".json":
                content = json.loads(read_text(file))  # which a reader has accepted already
                rows = content["annotations"]
                self.outlines += sum(
                    bool(row.get("segmentation") or row.get("keypoints")) for row in rows
                )
                self._files[file] = _Extras(_scores(rows), _about(content["images"]))
        return self._files[file]


def _scores(rows: list[dict[str, Any]]) -> dict[int, float]:
    found = {}
    for row in rows:
        identity, score = whole_number(row, "id"), row.get("score")
        if identity is not None and isinstance(score, int | float) and 0 <= score <= 1:
            found[identity] = float(score)
    return found


def _about(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for row in rows:
        name, about = file_name(row), row.get(ABOUT_KEY)
        if name is not None and isinstance(about, dict):
            found[name] = about
    return found
