"""The modules of `examples/browser`, in node with a stand-in for onnxruntime-web."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from spotlet.letterbox import Letterbox
from spotlet.manifest import METADATA_KEY, DetectionRule, InputRule, Manifest, OutputRule

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

MODULES = Path(__file__).parents[2] / "examples" / "browser"

MOST = 20
CLASSES = ("a", "ü", '"c"')

RUNTIME = """
import fs from "node:fs";
const stored = JSON.parse(fs.readFileSync("outputs.json"));
export const env = { wasm: {} };
export class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
export const InferenceSession = { create: async () => ({ run: async (feeds) => {
  const [[name, { type, dims, data }]] = Object.entries(feeds);
  fs.writeFileSync("fed.json", JSON.stringify({ name, type, dims, data: Array.from(data) }));
  return Object.fromEntries(Object.entries(stored).map(([name, { values, whole }]) => [name, {
    data: whole ? BigInt64Array.from(values.map(BigInt)) : Float32Array.from(values) }]));
} }) };
"""

PAGE = """
import fs from "node:fs";
import { Detector } from "./detector.js";
const { data, width, height } = JSON.parse(fs.readFileSync("picture.json"));
const detector = await Detector.load(new Uint8Array(fs.readFileSync("model.onnx")));
console.log(JSON.stringify(await detector.detect({ data, width, height })));
"""


def make_manifest(**rules: Any) -> Manifest:
    return Manifest(
        name="m",
        classes=CLASSES,
        input=InputRule(name="pixels", size_hw=(192, 320), pad_value=37, **rules),
        output=OutputRule(form="detections", boxes="places", count="rows"),
        detection=DetectionRule(max_detections=MOST),
    )


def detect(
    folder: Path, manifest: Manifest, frame_hw: tuple[int, int], outputs: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    """What the modules find in a noisy picture if the network returns these outputs."""
    for file in MODULES.glob("*.js"):
        shutil.copy(file, folder)
    package = folder / "node_modules" / "onnxruntime-web"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"type": "module", "exports": {"./wasm": "./wasm.js"}}')
    (package / "wasm.js").write_text(RUNTIME)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "run.js").write_text(PAGE)
    model = helper.make_model(helper.make_graph([], "empty", [], []))
    helper.set_model_props(model, {"other": "text", METADATA_KEY: manifest.to_json()})
    onnx.save(model, folder / "model.onnx")
    height, width = frame_hw
    opaque = np.full((height, width, 1), 255, np.uint8)
    rgba = np.concatenate([noise(frame_hw)[..., ::-1], opaque], axis=2)
    picture = {"data": rgba.ravel().tolist(), "width": width, "height": height}
    (folder / "picture.json").write_text(json.dumps(picture))
    stored = {
        name: {"values": value.ravel().tolist(), "whole": value.dtype == np.int64}
        for name, value in outputs.items()
    }
    (folder / "outputs.json").write_text(json.dumps(stored))
    assert NODE is not None
    return subprocess.run(
        [NODE, "run.js"], cwd=folder, check=False, capture_output=True, text=True, encoding="utf-8"
    )


def noise(frame_hw: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (*frame_hw, 3), np.uint8)


@pytest.mark.parametrize("frame_hw", [(333, 517), (700, 200), (192, 320), (3, 5)])
def test_a_picture_is_letterboxed_and_the_boxes_go_back_as_in_python(
    tmp_path: Path, frame_hw: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    letterbox = Letterbox(frame_hw, (192, 320), "linear_exact", 37)
    boxes, scores = np.zeros((MOST, 4), np.float32), np.zeros(MOST, np.float32)
    class_ids = np.zeros(MOST, np.int64)
    corners = rng.uniform(-0.1, 0.7, (12, 2))  # some over the border
    boxes[:12] = np.concatenate([corners, corners + rng.uniform(0.05, 0.3, (12, 2))], axis=1)
    scores[:12] = np.linspace(0.9, 0.4, 12)
    class_ids[:12] = rng.integers(0, 3, 12)
    outputs = {"places": boxes, "scores": scores, "class_ids": class_ids, "rows": np.array([12])}
    done = detect(tmp_path, make_manifest(), frame_hw, outputs)
    assert done.returncode == 0, done.stderr

    fed = json.loads((tmp_path / "fed.json").read_text())
    assert (fed["name"], fed["type"], fed["dims"]) == ("pixels", "uint8", [1, 192, 320, 3])
    assert fed["data"] == letterbox.apply(noise(frame_hw)).ravel().tolist()
    expected = letterbox.to_frame(boxes[:12] * np.array([320, 192, 320, 192], np.float32))
    inside = [n for n, (x1, y1, x2, y2) in enumerate(expected.tolist()) if x2 > x1 and y2 > y1]
    found = json.loads(done.stdout)
    assert [each["classId"] for each in found] == class_ids[inside].tolist()
    assert [each["name"] for each in found] == [CLASSES[n] for n in class_ids[inside]]
    for each, n in zip(found, inside, strict=True):
        assert each["score"] == pytest.approx(scores[n], abs=1e-6)
        assert each["box"] == pytest.approx(expected[n].tolist(), abs=1e-3)


@pytest.mark.parametrize(
    ("rules", "said"),
    [({"resize": "stretch"}, "resize stretch"), ({"interpolation": "area"}, "interpolation area")],
)
def test_a_file_with_rules_that_the_host_lacks_is_refused(
    tmp_path: Path, rules: dict[str, Any], said: str
) -> None:
    done = detect(tmp_path, make_manifest(**rules), (8, 8), {})
    assert done.returncode != 0
    assert said in done.stderr
