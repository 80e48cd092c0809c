"""Networks of known families, adopted without an option, find what was worked out by hand."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from foreign_families import FINE, box_of, frame_of
from foreign_heads import KNOWN, Known, raw_heads

from spotlet import Detector
from spotlet.check import check_model
from spotlet.errors import GateError, UsageError
from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.adopting import Adoption, Listener

STRETCHED = {"resize": "stretch", "pad_value": 0}
"""The frame of the tests is twice as high and three times as wide as the canvas."""


def adopt(
    known: Known, folder: Path, remarks: list[str] | None = None, /, **options: Any
) -> Adoption:
    onnx.save(known.make(), folder / "foreign.onnx")
    cv2.imwrite(str(folder / "frame.png"), frame_of((*known.lights, *known.missed)))
    said = {"classes": known.classes} | STRETCHED | options
    listener = Listener(on_remark=[].append if remarks is None else remarks.append)
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
