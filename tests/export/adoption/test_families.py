"""Networks of known families, adopted without an option, find what was worked out by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from foreign_families import FINE, STEPS, box_of, frame_of
from foreign_heads import centernet, raw_heads
from foreign_known import KNOWN, Known
from foreign_rows import dets_and_labels, rows_in_order, rows_of_seven, without_batch

from spotlet import Detector
from spotlet.check import check_model
from spotlet.errors import GateError, UsageError
from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.adopting import Adoption
from spotlet_export.adoption.listener import Listener
from spotlet_export.adoption.original import grids as original_grids

STRETCHED = {"resize": "stretch", "pad_value": 0}
"""The frame of the tests is twice as high and three times as wide as the canvas."""


def adopt(
    known: Known, folder: Path, remarks: list[str] | None = None, /, **options: Any
) -> Adoption:
    onnx.save(known.make(), folder / "foreign.onnx")
    cv2.imwrite(str(folder / "frame.png"), frame_of((*known.lights, *known.missed)))
    said: dict[str, Any] = {"classes": known.classes} | STRETCHED | options
    heard: list[str] = [] if remarks is None else remarks
    listener = Listener(on_remark=heard.append)
    return adopt_package(
        folder / "foreign.onnx",
        folder / "package",
        [folder / "frame.png"],
        AdoptSettings(**said),
        listener,
    )


def assert_finds(package: Path, known: Known) -> None:
    found = Detector(package)(frame_of((*known.lights, *known.missed)))
    wanted = sorted(known.lights, key=lambda light: -light.level)
    ids = [light.class_id if len(known.classes) > 1 else 0 for light in wanted]
    assert found.class_ids.tolist() == ids
    scores = [known.score(light.level / 255) for light in wanted]
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)
    boxes = np.array([box_of(light) for light in wanted])
    np.testing.assert_allclose(found.boxes_xyxy, boxes, atol=0.05)


@pytest.mark.parametrize("name", KNOWN)
def test_a_family_finds_what_it_must_without_an_option(name: str, tmp_path: Path) -> None:
    known, remarks = KNOWN[name], list[str]()
    done = adopt(known, tmp_path, remarks)
    assert known.name in remarks[0]
    assert done.report.passed
    assert_finds(done.package, known)
    assert check_model(done.package).passed
    side = onnx.load(done.package / "model.onnx").graph.input[0].type.tensor_type.shape.dim[0]
    assert side.HasField("dim_param") is known.free_batch


def refused(known: Known, folder: Path, /, **options: Any) -> str:
    with pytest.raises((GateError, UsageError)) as caught:
        adopt(known, folder, **options)
    assert not (folder / "package").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        (255, "raw heads with anchors, as of YOLOv3 to v7, are not decoded boxes; this family"),
        (44, "raw heads of several strides are not decoded boxes; this family"),
    ],
)
def test_a_family_that_is_not_supported_is_named(channels: int, says: str, tmp_path: Path) -> None:
    known = Known(make=lambda: raw_heads(channels), lights=FINE, name="")
    assert says in refused(known, tmp_path)


def test_the_number_of_classes_of_a_family_is_compared(tmp_path: Path) -> None:
    known = KNOWN["YuNet"]
    said = refused(known, tmp_path, classes=("face", "mask"))
    assert "those of YuNet, classes: 1, but names: 2" in said


def test_an_option_that_a_family_does_not_have_is_refused(tmp_path: Path) -> None:
    said = refused(KNOWN["SCRFD"], tmp_path, box_format="cxcywh")
    assert "--box-format cxcywh: the outputs are those of SCRFD, which has xyxy" in said


@pytest.mark.parametrize("named", [True, False])
def test_a_heat_map_of_one_class_needs_names(named: bool, tmp_path: Path) -> None:
    """CenterFace without key points has the same shapes as CenterNet, and other numbers."""
    one = tuple(replace(light, class_id=0) for light in FINE)
    known = replace(
        KNOWN["CenterNet"],
        make=lambda: centernet(named=named, one=True),
        classes=("face",),
        lights=one,
        missed=(),
    )
    if named:
        assert_finds(adopt(known, tmp_path).package, known)
    else:
        assert "do not fit" in refused(known, tmp_path)


def test_heat_maps_whose_offsets_are_as_large_as_sizes_are_not_centernets(tmp_path: Path) -> None:
    known = replace(KNOWN["CenterNet"], make=lambda: centernet(named=False, large=True))
    assert "not supported" in refused(known, tmp_path)


def test_key_points_after_the_scores_of_heads_are_extra(tmp_path: Path) -> None:
    known = KNOWN["a YOLO's heads"]
    two = replace(known, classes=("red", "green"), lights=STEPS[:2])
    assert "not supported" in refused(two, tmp_path)
    assert_finds(adopt(two, tmp_path, extra=1).package, two)


def test_key_points_are_counted_by_the_metadata(tmp_path: Path) -> None:
    known = KNOWN["a YOLO's heads"]

    def make() -> onnx.ModelProto:
        model = known.make()
        onnx.helper.set_model_props(model, {"kpt_shape": "[1, 1]", "task": "pose"})
        return model

    two = replace(known, make=make, classes=("red", "green"), lights=STEPS[:2])
    assert_finds(adopt(two, tmp_path).package, two)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("torchvision", lambda: without_batch(1, size=False)),
        ("Detectron2", lambda: without_batch(1, size=True)),
        ("dets and labels", lambda: dets_and_labels(1)),
        ("DetectionOutput's rows of seven", lambda: rows_of_seven(last=False)),
    ],
)
def test_shapes_do_not_say_where_class_ids_start(
    name: str, make: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    known = KNOWN[name]
    more = replace(known, make=make, classes=(*known.classes, "white", "black"))
    message = refused(more, tmp_path)
    assert "never 0, with 5 names: give --background first" in message
    assert_finds(adopt(more, tmp_path, background="first").package, more)


def test_torchvisions_names_of_outputs_say_where_class_ids_start(tmp_path: Path) -> None:
    def make() -> onnx.ModelProto:
        model = without_batch(1, size=False)
        names = {"scores": "inner", "3001": "boxes", "3002": "labels", "3003": "scores"}
        for node in model.graph.node:
            for ports in (node.input, node.output):
                ports[:] = [names.get(port, port) for port in ports]
        for output in model.graph.output:
            output.name = names[output.name]
        return model

    known, remarks = KNOWN["torchvision"], list[str]()
    more = replace(known, make=make, classes=(*known.classes, "white", "black"))
    assert_finds(adopt(more, tmp_path, remarks).package, more)
    assert any("class ids start at 1, as the contract of torchvision" in each for each in remarks)


def test_class_ids_may_be_whole_floats(tmp_path: Path) -> None:
    known = KNOWN["dets and labels"]
    floats = replace(known, make=lambda: dets_and_labels(kind=onnx.TensorProto.FLOAT))
    assert "class ids" in refused(floats, tmp_path, layout="K,4+C", classes=("thing",))
    assert_finds(adopt(floats, tmp_path).package, floats)


def test_a_column_of_class_ids_is_not_dropped(tmp_path: Path) -> None:
    known = KNOWN["class ids before scores"]
    order = ("box", "score", "score", "id")
    rows = replace(known, make=lambda: rows_in_order(*order, batch=True))
    for classes, options in (
        (known.classes, {}),
        (("red", "green"), {"layout": "K,4+C", "extra": 1}),
    ):
        message = refused(rows, tmp_path, classes=classes, **options)
        assert "as of class ids" in message
        assert "--extra 1 drops" not in message


def test_torchvisions_background_may_be_a_name(tmp_path: Path) -> None:
    known = KNOWN["torchvision"]
    named = replace(known, classes=("__background__", *known.classes))
    package = adopt(named, tmp_path).package
    names = [each.name for each in Detector(package)(frame_of(known.lights))]
    assert names == ["blue", "red", "green"]


def test_extra_columns_of_rows_are_counted(tmp_path: Path) -> None:
    known = KNOWN["rows with masks"]
    assert_finds(adopt(known, tmp_path, extra=32).package, known)


def test_wrong_extra_columns_of_rows_are_refused(tmp_path: Path) -> None:
    assert "--layout K,6 --extra 32" in refused(KNOWN["rows with masks"], tmp_path, extra=20)
    assert "do not fit" in refused(KNOWN["class ids before scores"], tmp_path, extra=32)


def test_a_layout_of_a_family_may_be_given(tmp_path: Path) -> None:
    known = KNOWN["NanoDet-Plus"]
    assert "do not fit" in refused(known, tmp_path, layout="K,6")
    assert_finds(adopt(known, tmp_path, layout="grids").package, known)


@pytest.mark.parametrize(
    ("name", "part", "fault"),
    [
        ("NanoDet-Plus", "_shares", lambda logits: np.eye(8)[logits.argmax(axis=1)]),
        ("SCRFD", "_rows", lambda rows: rows * 1.01),
    ],
)
def test_a_fault_of_the_decoding_is_seen_by_the_gate(
    name: str, part: str, fault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original's numbers are changed, which is as if the rewritten ones were."""
    honest = getattr(original_grids, part)

    def faulty(*given: Any) -> Any:
        return fault(given[0] if part == "_shares" else honest(*given))

    monkeypatch.setattr(original_grids, part, faulty)
    assert "differ from the original" in refused(KNOWN[name], tmp_path)
