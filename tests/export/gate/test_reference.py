"""The frames' reference is bounded, so that a slow witness ends."""

from pathlib import Path

import numpy as np

from spotlet.letterbox import ImageArray
from spotlet.manifest import InputRule, Manifest
from spotlet_export.gate.frames import edge_frames
from spotlet_export.gate.reference import MOST_CANDIDATES, Tensors, make_reference


def test_a_network_in_which_every_cell_fires_is_compared_on_its_best_cells(tmp_path: Path) -> None:
    def original(canvases: ImageArray) -> Tensors:
        rng = np.random.default_rng(0)
        corners = rng.uniform(0, 0.9, (len(canvases), 3000, 2))
        boxes = np.concatenate([corners, corners + 0.01], axis=2).astype(np.float32)
        return boxes, rng.uniform(0.5, 1, (len(canvases), 3000, 1)).astype(np.float32)

    manifest = Manifest(name="busy", classes=("a",), input=InputRule(size_hw=(64, 64)))
    reference = make_reference(original, manifest, edge_frames()[:2], tmp_path)
    _, scores = original(reference.canvases)
    for frame in scores:
        assert (frame >= reference.score_threshold).sum() <= MOST_CANDIDATES
    assert all(len(found) > 100 for found in reference.detections)
