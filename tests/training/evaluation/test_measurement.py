from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import Shapes

from spotlet.detections import Detections
from spotlet.errors import CheckpointError, DatasetError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.tiles import TileSettings
from spotlet_training.datasets import Sample
from spotlet_training.evaluation.latency import MOST_IMAGES, WARM_UP, measure_latency
from spotlet_training.evaluation.measurement import measure
from spotlet_training.network.checkpoint import load_checkpoint, save_checkpoint


class Squares:
    class_names = ("blue", "green", "red")

    def __len__(self) -> int:
        return 2

    def load(self, index: int) -> object:
        sample = Shapes(2, size_hw=(120, 160)).load(index)
        sample.image_bgr[:] = 60
        sample.image_bgr[20:60, 30:90] = (0, 0, 255)
        return type(sample)(
            sample.image_bgr,
            np.array([[30, 20, 90, 60]], np.float32),
            np.array([2]),
            np.zeros(1, np.bool_),
            "red",
        )


def test_latency_is_measured_after_a_warm_up_and_on_a_bounded_number_of_images() -> None:
    frames: list[ImageArray] = []

    def detect(frame: ImageArray) -> Detections:
        frames.append(frame)
        return Detections.none(("square", "disc"))

    latency = measure_latency(detect, Shapes(3), "nothing")
    assert (latency.images, len(frames)) == (3, WARM_UP + 3)
    assert 0 <= latency.median_ms <= latency.p95_ms < 1000
    frames.clear()
    assert measure_latency(detect, Shapes(MOST_IMAGES + 1), "nothing").images == MOST_IMAGES
    assert len(frames) == WARM_UP + MOST_IMAGES


def test_a_checkpoint_is_measured_with_the_threads_asked_for(shapes_checkpoint: Path) -> None:
    before = torch.get_num_threads()
    measured = measure(str(shapes_checkpoint), Shapes(4), threads=2)
    assert "PyTorch" in measured.latency.engine
    assert measured.latency.engine.endswith("2 threads")
    assert torch.get_num_threads() == before
    assert measured.own_threshold == measured.training["score_threshold"]
    figures = measured.to_json()
    assert figures["images"] == 4
    assert figures["operating_point"]["score_threshold"] == measured.score_threshold


def test_a_model_is_measured_through_the_runtime(squares_model: Path, tmp_path: Path) -> None:
    measured = measure(str(squares_model), Squares(), threads=1)  # type: ignore[arg-type]
    assert measured.evaluation.accuracy.ap == pytest.approx(1)
    assert measured.own_threshold == 0.4
    assert measured.latency.engine == "onnxruntime, CPUExecutionProvider, 1 thread"
    # Its one score is 0.9: any threshold up to that is as good.
    assert measured.score_threshold == pytest.approx(0.47)


class Turned(Shapes):
    """The same pictures, with the classes in the other order."""

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return replace(sample, class_ids=1 - sample.class_ids)


def test_a_set_with_the_classes_in_another_order_measures_the_same(
    shapes_checkpoint: Path,
) -> None:
    own = measure(str(shapes_checkpoint), Shapes(4), threads=1).evaluation
    turned = Turned(4, class_names=("disc", "square"))
    other = measure(str(shapes_checkpoint), turned, threads=1).evaluation
    assert other.class_names == own.class_names == ("square", "disc")
    assert own.accuracy.per_class_ap50 == other.accuracy.per_class_ap50


def test_what_cannot_be_measured_is_refused(shapes_checkpoint: Path) -> None:
    with pytest.raises(DatasetError, match="but have no others"):
        measure(str(shapes_checkpoint), Shapes(2, class_names=("disc", "cube")))
    with pytest.raises(UsageError, match="threads -1"):
        measure(str(shapes_checkpoint), Shapes(2), threads=-1)


def test_tiles_are_those_of_the_training_unless_others_are_asked_for(
    shapes_checkpoint: Path, tmp_path: Path
) -> None:
    trained = load_checkpoint(shapes_checkpoint)
    record = {**trained.training, "settings": {"tiles": {"layout": "2x1", "overlap": 0.25}}}
    path = tmp_path / "tiled.safetensors"
    save_checkpoint(replace(trained, training=record), path)
    own = measure(str(path), Shapes(4), threads=1)
    asked = measure(str(shapes_checkpoint), Shapes(4), threads=1, tiles=TileSettings(layout="2x1"))
    off = measure(str(path), Shapes(4), threads=1, tiles=TileSettings(layout="off"))
    plain = measure(str(shapes_checkpoint), Shapes(4), threads=1)
    assert own.latency.engine.endswith("1 thread, tiles 2x1")
    assert own.evaluation.accuracy == asked.evaluation.accuracy
    assert off.evaluation.accuracy == plain.evaluation.accuracy
    assert "tiles" not in off.latency.engine
    scores = own.evaluation.found[0].scores, plain.evaluation.found[0].scores
    assert not np.array_equal(*scores)


def test_tiles_of_a_checkpoint_that_are_none_are_refused(shapes_checkpoint: Path) -> None:
    trained = load_checkpoint(shapes_checkpoint)
    for tiles in ({"layout": "2by2"}, {"rows": 2}, "2x2"):
        with pytest.raises(CheckpointError, match="tiles"):
            replace(trained, training={"settings": {"tiles": tiles}}).tiles  # noqa: B018


def test_an_export_is_measured_in_tiles_as_its_network_is(squares_model: Path) -> None:
    plain = measure(str(squares_model), Squares(), threads=1)  # type: ignore[arg-type]
    cut = measure(str(squares_model), Squares(), threads=1, tiles=TileSettings(layout="2x2"))  # type: ignore[arg-type]
    assert plain.evaluation.accuracy.ap == cut.evaluation.accuracy.ap == 1
    assert cut.latency.engine.endswith("tiles 2x2")
