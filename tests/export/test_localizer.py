"""A localizer goes the way of the dense detector: checkpoint, gate, package, runtime."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rectangles import rectangle_set

from spotlet import Detector
from spotlet.boxes import box_iou
from spotlet.check import check_model
from spotlet.errors import GateError
from spotlet_export.exporting import export_package
from spotlet_export.gate.report import Report
from spotlet_training.datasets import Sample
from spotlet_training.localization import Recipe, RunFolder, Step, learn
from spotlet_training.localization.runs import checkpoint_path
from spotlet_training.network import LocalizerSettings, build_localizer
from spotlet_training.network.checkpoint import Checkpoint, load_checkpoint

CLASSES = 10
"""Of the frozen scenes, of which the rectangles are the first two."""


class Rectangles:
    """The held-out rectangles; a `Dataset`."""

    def __init__(self) -> None:
        self._scenes = rectangle_set().val
        self.class_names = rectangle_set().class_names

    def __len__(self) -> int:
        return len(self._scenes)

    def load(self, index: int) -> Sample:
        return Sample(
            self._scenes.images[index].numpy(),
            self._scenes.boxes[index : index + 1].numpy() * np.float32(64),
            self._scenes.class_ids[index : index + 1].numpy(),
            np.zeros(1, np.bool_),
            f"rectangle-{index}",
        )


@pytest.fixture(scope="module", params=["flat", "integral"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A localizer of each trunk, saved by the experiment and read back."""
    data = rectangle_set()
    settings = LocalizerSettings(class_count=CLASSES, size_hw=(64, 64), trunk=request.param)
    recipe = Recipe(network=settings, epochs=6, batch_size=8, box_weight=5.0, schedule="cosine")
    network, outcome = learn(recipe, data, 0, torch.device("cpu"), torch.float32)
    out = tmp_path_factory.mktemp(request.param)
    step = Step(name="best", change="", parent="", recipe=recipe)
    RunFolder(out, data, torch.device("cpu"), torch.float32).write(step, 0, network, outcome)
    return load_checkpoint(checkpoint_path(out, "best", 0))


def test_a_localizer_passes_the_gate_and_finds_one_object_a_frame(
    trained: Checkpoint, tmp_path: Path
) -> None:
    frames = Rectangles()
    package = tmp_path / "localizer"
    done = export_package(trained, package, frames)
    assert done.report.passed
    assert check_model(package).passed
    assert "accuracy" in (package / "CARD.md").read_text("utf-8")
    detector = Detector(package, score_threshold=0.0)
    assert detector.manifest.output.score_activation == "softmax"
    for index in range(len(frames)):
        sample = frames.load(index)
        found = detector(sample.image_bgr)
        with torch.no_grad():
            boxes, scores = trained.network(torch.from_numpy(sample.image_bgr[None]))
        assert len(found) == 1
        assert int(found.class_ids[0]) == int(scores[0, 0].argmax())
        assert float(found.scores[0]) == pytest.approx(float(scores.max()), abs=1e-5)
        assert box_iou(found.boxes_xyxy, boxes[0].numpy() * np.float32(64))[0, 0] > 0.99


def test_a_localizer_that_sees_nothing_proves_nothing(tmp_path: Path) -> None:
    """Boxes that are inside out are no detections, so there is nothing to compare."""
    settings = LocalizerSettings(class_count=CLASSES, size_hw=(64, 64))
    network = build_localizer(settings).eval()
    head = network.get_submodule("box_head")
    with torch.no_grad():
        head.get_parameter("weight").zero_()
        head.get_parameter("bias").copy_(torch.tensor([0.9, 0.9, 0.1, 0.1]))
    checkpoint = Checkpoint(network=network, class_names=Rectangles().class_names)
    reports: list[Report] = []
    with pytest.raises(GateError, match="fewer than 16 objects"):
        export_package(checkpoint, tmp_path / "out", Rectangles(), on_report=reports.append)
    assert not reports
    assert not (tmp_path / "out").exists()
