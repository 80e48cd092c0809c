"""The model card's last part: how to call the model, and how to check it on a device."""

import json
import shlex

from spotlet.manifest import InputRule, Manifest, OutputRule
from spotlet.model.package import GOLDEN_FOLDER, VARIANTS
from spotlet_export.card.markdown import code_span, fenced, section
from spotlet_export.gate.variants import END_TO_END, FP32, INT8

GOLDEN_SOURCES = {
    "data": "from the data",
    "generated": "drawn",
    "cuts": "drawn, and small cuts of the images given, around what was found in them",
}
"""Where golden frames are from, in the words of a card."""

UNPROVEN = """**It proves nothing about detections**: the model finds nothing in these frames, so
the command compares tensors only and says WARN. `--golden data` takes frames from your images
instead.""".replace("\n", " ")

PYTHON = """\
from spotlet import Detector

detector = Detector({name})  # or the path of this folder
for found in detector(frame_bgr):  # H x W x 3 uint8, as OpenCV returns it
    print(found.name, found.score, found.box_xyxy)  # in pixels of that frame
"""

HOSTS = """\
`Input and output` above is all that a program in another language needs, with onnxruntime 1.18 or
newer. Outside Windows, set `ORT_DISABLE_TELEMETRY=1`, or onnxruntime reports to its maker.
Two complete programs, tested against Python box by box, come with Spotlet, in `examples/` of its
source and in `spotlet_export/programs/` where it is installed: `c`, in C11 with onnxruntime's C API
(on Windows it takes paths as wide characters), and `browser`, in JavaScript with onnxruntime-web
(a browser's own `drawImage` scales differently). Both run a file with suppression in its graph,
{end_to_end}."""

OTHER_RULES = """\
Both are written for letterboxed frames, resized with `linear_exact` on a grey of 114, and for the
default tensor names. This model has other rules: adapt them to `Input and output`."""


def use_section(
    manifest: Manifest,
    golden_frames: int,
    golden_source: str,
    *,
    int8: bool,
    end_to_end: bool = False,
    proven: bool = True,
) -> str:
    """Returns how to call the model, and how to check it on a device.

    Args:
        manifest: of the model.
        golden_frames: how many are in the package.
        golden_source: a key of `GOLDEN_SOURCES`.
        int8: whether there is an int8 file too.
        end_to_end: whether there are files with suppression in them.
        proven: whether the golden frames hold detections.
    """
    name = json.dumps(manifest.name, ensure_ascii=False)  # a string literal of Python too
    python = [fenced(PYTHON.format(name=name), "python")]
    if int8:
        eight_bits = f'detector = Detector({name}, variant="int8")'
        python += [f"With {code_span(VARIANTS[INT8])} instead:", fenced(eight_bits, "python")]
    with_suppression = code_span(VARIANTS[END_TO_END[FP32]])
    if not end_to_end:
        command = "adopt" if "adopted_from" in manifest.training else "export"
        with_suppression += (
            f", which `spotlet {command} --end-to-end` writes, and `end_to_end.py` beside them for "
            "any package"
        )
    hosts = [HOSTS.format(end_to_end=with_suppression).replace("\n", " ")]
    if not _as_the_hosts_expect(manifest):
        hosts.append(OTHER_RULES.replace("\n", " "))
    return section(
        "Use",
        "### Python",
        *python,
        "### C, C++, JavaScript, Java",
        *hosts,
        "### On the device",
        _device(manifest, golden_frames, golden_source, proven=proven),
    )


def _as_the_hosts_expect(manifest: Manifest) -> bool:
    """Returns whether the programs in `examples/` run the model without a change."""
    own = InputRule(size_hw=manifest.input.size_hw)
    names = OutputRule(score_activation=manifest.output.score_activation)
    return (manifest.input, manifest.output) == (own, names)


def _device(manifest: Manifest, golden_frames: int, golden_source: str, *, proven: bool) -> str:
    """Returns how to see that a device computes what was measured here."""
    command = fenced(f"spotlet check {shlex.quote(manifest.name)}")
    if not golden_frames:
        return f"Says PASS if the model computes the same there:\n\n{command}"
    return (
        f"`{GOLDEN_FOLDER}/` holds {golden_frames} frames ({GOLDEN_SOURCES[golden_source]}) and "
        "what the model must find in them. This command runs them on the device, with its "
        f"onnxruntime, and says PASS or how large the difference is:\n\n{command}"
        + ("" if proven else f"\n\n{UNPROVEN}")
    )
