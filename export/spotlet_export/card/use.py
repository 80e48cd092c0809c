"""The model card's last part: how to call the model, and how to try it on a device."""

import shlex

from spotlet.manifest import Manifest
from spotlet.model.package import GOLDEN_FOLDER, VARIANTS
from spotlet_export.card.markdown import fenced, section
from spotlet_export.card.programs import (
    cpp_code,
    javascript_code,
    javascript_end_to_end_code,
    python_code,
    python_int8_code,
)
from spotlet_export.gate.variants import END_TO_END, FP32, INT8

GOLDEN_SOURCES = {"data": "from the data", "generated": "drawn"}
"""What a golden frame is, by whence it is."""

BILINEAR_RULE = """To come within a grey level of OpenCV, scale the frame yourself before you draw
it: pixel x of new_w lies at (x + 0.5) * w / new_w - 0.5 of the frame, at least 0 and at most w - 1,
between its two nearest pixels, and y likewise; no other smoothing."""

EXACT_RULE = """To get OpenCV's own bytes, scale the frame yourself before you draw it: pixel x of
new_w lies at c = (x + 0.5) * (1 / (new_w / w)) - 0.5 of the frame, in double precision, between the
pixels floor(c) and floor(c) + 1, both clipped to 0 ... w - 1; the second weighs v = round((c -
floor(c)) * 256), a half going to the even number, and the first 256 - v; y likewise. The sum of the
four weighted pixels, in whole numbers, plus 32768, shifted right by 16, is the new one."""

SCALING_RULES = {"linear_exact": EXACT_RULE, "linear": BILINEAR_RULE}


def use_section(
    manifest: Manifest,
    golden_frames: int,
    golden_source: str,
    *,
    int8: bool,
    end_to_end: bool = False,
) -> str:
    """Returns how to call the model, and how to try it on a device.

    Args:
        manifest: of the model.
        golden_frames: how many ride in the package.
        golden_source: a key of `GOLDEN_SOURCES`.
        int8: whether there is an int8 file too.
        end_to_end: whether there are files with suppression in them.
    """
    paragraphs = ["### Python", fenced(python_code(manifest), "python")]
    if int8:
        paragraphs += [
            "The file in eight bits instead:",
            fenced(python_int8_code(manifest), "python"),
            f"The programs below take it as they are, under its name `{VARIANTS[INT8]}`.",
        ]
    return section(
        "Use",
        *paragraphs,
        "### C++",
        "C++17, with onnxruntime and OpenCV. The session is made by `Ort::Env env; Ort::Session "
        'session(env, "model.onnx", Ort::SessionOptions{});`, on Windows with `L"model.onnx"`. '
        "Outside Windows, set `ORT_DISABLE_TELEMETRY=1` before, or onnxruntime reports to its "
        "maker.",
        fenced(cpp_code(manifest), "cpp"),
        "### JavaScript",
        "In the browser, with onnxruntime-web.",
        fenced(javascript_code(manifest), "js"),
        _canvas_scaling(manifest),
        *(_end_to_end(manifest) if end_to_end else []),
        "### On the device",
        _device(manifest, golden_frames, golden_source),
    )


def _end_to_end(manifest: Manifest) -> list[str]:
    """Returns how to call a file with suppression in it: what replaces the two programs' ends."""
    return [
        "### With suppression in the graph",
        f"Of `{VARIANTS[END_TO_END[FP32]]}` all but the way back to the frame is done in the "
        "graph. In JavaScript, what stands after the line that makes `image`:",
        fenced(javascript_end_to_end_code(manifest), "js"),
    ]


def _canvas_scaling(manifest: Manifest) -> str:
    """Returns how a browser's canvas differs from the contract."""
    interpolation = manifest.input.interpolation
    rule = SCALING_RULES.get(interpolation)
    return (
        "A browser scales a picture onto a canvas in its own way, not as OpenCV's "
        f"`INTER_{interpolation.upper()}`: boxes can be off by a pixel and scores by a little. A "
        "frame that is already as large as its place on the canvas is not scaled and gives the "
        "same boxes as in Python." + (f" {rule}" if rule else "")
    )


def _device(manifest: Manifest, golden_frames: int, golden_source: str) -> str:
    """Returns how to see that a device computes what was measured here."""
    command = fenced(f"spotlet check {shlex.quote(manifest.name)}")
    if not golden_frames:
        return f"Says PASS where the model computes there what it did here:\n\n{command}"
    return (
        f"`{GOLDEN_FOLDER}/` holds {golden_frames} frames "
        f"({GOLDEN_SOURCES[golden_source]}) and what the model must find in them. This "
        "runs them on the device at hand, with its onnxruntime, and says PASS or by how much it "
        f"differs:\n\n{command}"
    )
