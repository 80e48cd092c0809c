"""What a COCO file has beyond labels: notes on a picture, and outlines, which are counted."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spotlet.coco_labels import ABOUT_KEY
from spotlet_training.datasets.checks import read_text
from spotlet_training.datasets.coco_rows import file_name
from spotlet_training.datasets.labels import ImageLabels


@dataclass(slots=True)
class Extras:
    """Looks up what the readers of labels leave out; each file is read once.

    Attributes:
        outlines: how many annotations of the files so far have an outline or key points.
    """

    outlines: int = 0
    _files: dict[Path, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def about(self, labels: ImageLabels) -> dict[str, Any]:
        """Returns what is noted of a picture; nothing if it is not in a COCO file."""
        known = self._notes(labels.label_file)
        parts = labels.path.parts
        names = ("/".join(parts[first:]) for first in range(len(parts)) if known)
        return next((known[name] for name in names if name in known), {})

    def _notes(self, file: Path) -> dict[str, dict[str, Any]]:
        """Returns the notes of a file by a picture's `file_name`."""
        if file not in self._files:
            self._files[file] = {}
            if file.suffix == ".json":
                content = json.loads(read_text(file))  # which a reader has accepted already
                self.outlines += sum(
                    bool(row.get("segmentation") or row.get("keypoints"))
                    for row in content["annotations"]
                )
                self._files[file] = _about(content["images"])
        return self._files[file]


def _about(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for row in rows:
        name, about = file_name(row), row.get(ABOUT_KEY)
        if name is not None and isinstance(about, dict):
            found[name] = about
    return found
