"""Golden frames are searched until a model finds something in one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shapes import Shapes

from spotlet.check import check_model
from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE
from spotlet.letterbox import ImageArray
from spotlet.model import locate_model
from spotlet_export import ExportSettings, export_package
from spotlet_export.package.figures import KINDS, draw_figure
from spotlet_export.package.golden_frames import golden_frames
from spotlet_export.package.golden_search import Jury, choose_golden_frames
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY
from spotlet_training.network.checkpoint import Checkpoint


def no_image(_: int) -> ImageArray:
    raise AssertionError("the user's images may not be read")


@pytest.mark.parametrize("model", ["cards", "pcb"])
def test_for_a_model_that_ignores_the_usual_drawings_others_are_searched(model: str) -> None:
    files = [
        (locate_model(model), FP32_TOLERANCE),
        (locate_model(model, "int8"), INT8_TOLERANCE),
    ]
    usual = golden_frames("generated", no_image, 0)
    jury = Jury(files)
    assert not any(jury.margin(frame) >= jury.well for frame in usual.values())
    chosen = choose_golden_frames("generated", no_image, 0, files)
    assert chosen.source == "generated"
    assert chosen.detections > 0
    added = [name for name in chosen.frames if name not in usual]
    assert len(added) == 2
    assert all(jury.margin(chosen.frames[name]) >= jury.well for name in added)
    assert f"detections in them: {chosen.detections}" in chosen.remark


def test_where_the_usual_drawings_hold_detections_none_are_searched() -> None:
    files = [(locate_model("cells"), FP32_TOLERANCE)]
    chosen = choose_golden_frames("generated", no_image, 0, files)
    assert list(chosen.frames) == list(golden_frames("generated", no_image, 0))


def test_a_figure_is_the_same_each_time_and_no_two_are() -> None:
    kinds = {draw_figure(number)[0] for number in range(len(KINDS))}
    assert kinds == set(KINDS)
    figures = [draw_figure(number)[1] for number in range(2 * len(KINDS))]
    np.testing.assert_array_equal(figures[0], draw_figure(0)[1])
    assert len({figure.tobytes() for figure in figures}) == len(figures)
    assert all(figure.dtype == np.uint8 and figure.shape[2] == 3 for figure in figures)


def test_an_export_whose_frames_show_nothing_says_so(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """No score reaches the threshold by more than another machine's noise."""
    strict = replace(checkpoint, training={**checkpoint.training, THRESHOLD_KEY: 1.0})
    done = export_package(
        strict, tmp_path / "package", Shapes(8, seed=1), ExportSettings(golden="generated")
    )
    assert done.golden_detections == 0
    report = check_model(done.package)
    assert (report.passed, report.verdict) == (True, "WARN")
    assert "proves nothing about detections" in (done.package / "CARD.md").read_text()
