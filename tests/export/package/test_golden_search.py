"""Golden frames are searched until a model finds something in one."""

import numpy as np
import pytest

from spotlet.check.tolerances import FP32_TOLERANCE, INT8_TOLERANCE
from spotlet.letterbox import ImageArray
from spotlet.model import locate_model
from spotlet_export.package.figures import KINDS, draw_figure
from spotlet_export.package.golden_frames import golden_frames
from spotlet_export.package.golden_search import Jury, choose_golden_frames


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
