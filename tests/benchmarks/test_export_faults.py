import json
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from benchmarks.export_faults.catalogue import FOLDER, catalogue
from benchmarks.export_faults.fault import NotApplicableError
from benchmarks.export_faults.layouts import as_yolo, with_float_pictures
from benchmarks.export_faults.table import markdown
from conftest import squares_graph

from spotlet.letterbox import ImageArray
from spotlet.manifest import METADATA_KEY, InputRule, Manifest
from spotlet.model import locate_model
from spotlet_export.graph.suppression import manifest_of
from spotlet_training.scenes import validation_scenes

FAULTS = catalogue()
NOISE = 1e-4


@cache
def garments() -> onnx.ModelProto:
    return onnx.load(locate_model(Path("garments")))


@cache
def canvases() -> ImageArray:
    """Two scenes, one of them dark."""
    scenes = validation_scenes(2, seed=0, objects="sample")
    bright, dark = (scenes.load(index).image_bgr for index in range(2))
    return np.stack([bright, dark // 2])


def outputs(model: onnx.ModelProto) -> list[npt.NDArray[np.float32]]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[npt.NDArray[np.float32]] = session.run(
        ["boxes", "scores"], {session.get_inputs()[0].name: canvases()}
    )
    return found


def differs(one: onnx.ModelProto, other: onnx.ModelProto) -> bool:
    """Returns whether rules or tensors differ by more than noise."""
    if manifest_of(one) != manifest_of(other):
        return True
    pairs = list(zip(outputs(one), outputs(other), strict=True))
    return any(a.shape != b.shape or not np.abs(a - b).max() <= NOISE for a, b in pairs)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_what_a_file_finds_and_a_control_does_not(name: str) -> None:
    before = garments().SerializeToString()
    planted = FAULTS[name].plant(garments())
    onnx.checker.check_model(planted, full_check=True)
    assert garments().SerializeToString() == before
    assert differs(garments(), planted) == (FAULTS[name].kind != "control")


def test_each_fault_has_a_file_with_its_name_and_a_sentence() -> None:
    assert sorted(FAULTS) == sorted(file.stem for file in FOLDER.glob("*.py"))
    assert len({fault.description for fault in FAULTS.values()}) == len(FAULTS)
    assert all(fault.description.endswith(".") for fault in FAULTS.values())
    assert sum(fault.kind == "fault" for fault in FAULTS.values()) >= 20


@pytest.mark.parametrize("name", ["half_cell", "mean_missing", "one_weight", "upsampling"])
def test_a_fault_that_has_no_place_in_a_network_says_so(name: str) -> None:
    model = squares_graph()
    manifest = Manifest(name="s", classes=("a", "b", "c"), input=InputRule(size_hw=(120, 160)))
    onnx.helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    with pytest.raises(NotApplicableError):
        FAULTS[name].plant(model)


def test_float_pictures_reach_the_graph_as_the_bytes_that_they_were() -> None:
    model = with_float_pictures(garments())
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rgb = canvases()[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255
    found = session.run(["boxes", "scores"], {"images": np.ascontiguousarray(rgb)})
    for want, got in zip(outputs(garments()), found, strict=True):
        np.testing.assert_array_equal(got, want)
    yolo = ort.InferenceSession(
        as_yolo(garments()).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rows = yolo.run(None, {"images": np.ascontiguousarray(rgb[:1])})[0][0].T
    boxes, scores = (each[0] for each in outputs(garments()))
    centres = (boxes[:, :2] + boxes[:, 2:]) * 160
    np.testing.assert_allclose(rows[:, :2], centres, atol=1e-3)
    np.testing.assert_allclose(rows[:, 2:4], (boxes[:, 2:] - boxes[:, :2]) * 320, atol=1e-3)
    np.testing.assert_array_equal(rows[:, 4:], scores)


def test_the_table_tells_what_is_missed_from_what_is_not_claimed() -> None:
    names = ("colour_order", "pad_value", "float16_weights", "renamed_tensors")

    def tool(compares: str, *noticed: bool | None) -> dict[str, object]:
        verdicts = {
            name: {"noticed": each, "words": ""} for name, each in zip(names, noticed, strict=True)
        }
        return {"compares": compares, "claims": "C", "date": "D", "verdicts": verdicts}

    results = {
        "manifest_only": ["pad_value"],
        "tools": {
            "files": tool("files", False, False, True, True),
            "graphs": tool("graphs", True, False, False, False),
            "nothing": tool("nothing", False, False, False, False),
            "absent": {"claims": "C", "date": "D", "not_run": "why"},
        },
    }
    lines = markdown(json.loads(json.dumps(results)), FAULTS).splitlines()
    assert "| colour_order | fault | **no** | yes | - |" in lines
    assert "| pad_value | fault | **no** | - | - |" in lines
    assert "| float16_weights | rounding | yes | passes | passes |" in lines
    assert "| renamed_tensors | control | **false alarm** | passes | passes |" in lines
    assert "| noticed |  | 0 of 2 | 1 of 1 | - |" in lines
    assert lines[-1].endswith("C. Not run: why.")
