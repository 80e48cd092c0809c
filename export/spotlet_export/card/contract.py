"""The model card's contract: what goes into the graph, and what its outputs mean."""

from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.model.package import VARIANTS
from spotlet.postprocess import LEAST_SCORE, MAX_CANDIDATES
from spotlet_export.card.letterbox import LETTERBOX_FILE
from spotlet_export.card.markdown import code_span, fenced, section
from spotlet_export.gate.variants import END_TO_END

ACTIVATIONS = {
    "sigmoid": "the classes are independent (sigmoid)",
    "softmax": "the classes exclude each other (softmax)",
}
"""What each score activation of a manifest means."""

FITTED = """\
if H * w <= W * h:
    new_w, new_h = max((2 * w * H + h) // (2 * h), 1), H
else:
    new_w, new_h = W, max((2 * h * W + w) // (2 * w), 1)
"""

PLACEMENTS = {
    "letterbox": FITTED + "left, top = (W - new_w) // 2, (H - new_h) // 2",
    "letterbox_corner": FITTED + "left, top = 0, 0",
    "stretch": "new_w, new_h, left, top = W, H, 0, 0",
}
"""Where the frame lies on the canvas, by the manifest's `resize`."""

RESIZED = {
    "letterbox": "letterboxed",
    "letterbox_corner": "fitted into the upper left corner",
    "stretch": "stretched over the whole canvas",
}
"""What happens to a frame, by the manifest's `resize`."""

EXACT_RESIZE = """\
centre = (x + 0.5) * (1 / (new_w / w)) - 0.5
first, second = max(floor(centre), 0), min(floor(centre) + 1, w - 1)
weight = round((centre - floor(centre)) * 256)
"""
"""`linear_exact` along one axis; `round` takes a half to the even number."""

WAY_BACK = """\
x_frame = min(max((x * W - left) * w / new_w, 0), w)
y_frame = min(max((y * H - top) * h / new_h, 0), h)
"""


def contract_section(manifest: Manifest, *, end_to_end: bool = False) -> str:
    """Returns the rules of input and output, exact enough to implement them again.

    Args:
        manifest: of the model's files without suppression.
        end_to_end: whether there are files with it.
    """
    height, width = manifest.input.size_hw
    return section(
        "Input and output",
        "For your own programs; `spotlet.Detector` does all of this. The rules are also in the "
        f"`.onnx` file itself, as JSON in its metadata under the key `{METADATA_KEY}`.",
        _input_text(manifest),
        fenced(f"W, H = {width}, {height}\n{PLACEMENTS[manifest.input.resize]}"),
        *_resize_texts(manifest),
        f"![The letterbox, drawn for one frame]({LETTERBOX_FILE})",
        _output_text(manifest),
        _detection_rules(manifest),
        fenced(WAY_BACK),
        *([_end_to_end_text(manifest)] if end_to_end else []),
    )


def _input_text(manifest: Manifest) -> str:
    rule = manifest.input
    height, width = rule.size_hw
    return (
        f"**Input** {code_span(rule.name)}: uint8, N x {height} x {width} x 3 (N images, rows, "
        "columns, blue-green-red), 0 to 255: the graph normalises. Each image is a frame "
        f"{RESIZED[rule.resize]}. For a frame of w x h pixels, in whole numbers (`//` rounds "
        "down, so a half goes up):"
    )


def _resize_texts(manifest: Manifest) -> list[str]:
    rule = manifest.input
    rest = f", and the rest of the canvas is filled with {rule.pad_value} in all three channels"
    resize = (
        f"The frame is resized to new_w x new_h as OpenCV's `INTER_{rule.interpolation.upper()}` "
        "does it and placed with its upper left corner at (left, top)"
        f"{'' if rule.resize == 'stretch' else rest}."
    )
    if rule.interpolation != "linear_exact":
        return [resize]
    return [
        f"{resize} Without OpenCV, in double precision, pixel x of new_w lies between the pixels "
        "`first` and `second` of the frame (`round` takes a half to the even number):",
        fenced(EXACT_RESIZE),
        "The second pixel has the weight `weight`, the first 256 - `weight`; y likewise. Add up "
        "the four weighted pixels in whole numbers, add 32768 and shift right by 16.",
    ]


def _output_text(manifest: Manifest) -> str:
    rule = manifest.output
    return (
        f"**Outputs** {code_span(rule.boxes)}: float32, N x K x 4 (left, top, right, bottom in "
        f"[0, 1] of the canvas), and {code_span(rule.scores)}: float32, N x K x "
        f"{len(manifest.classes)} (a score in [0, 1] for each class, in the order above; "
        f"{ACTIVATIONS[rule.score_activation]}), for K cells. From there to detections:"
    )


def _detection_rules(manifest: Manifest) -> str:
    rule = manifest.detection
    chosen = (
        "every class whose score is" if rule.every_class else "its best class, if that score is"
    )
    return "\n".join(
        [
            "1. Clip the boxes to [0, 1]; ignore those that are then empty or not finite.",
            f"2. A cell is a candidate for {chosen} at least "
            f"{max(rule.score_threshold, LEAST_SCORE):g}; of more than {MAX_CANDIDATES} "
            "candidates, keep the best.",
            "3. Non-maximum suppression, best score first, within each class: drop a box whose IoU "
            f"with one already kept is over {rule.iou_threshold:g}, measured in pixels of the "
            "canvas.",
            "4. Move the boxes to the frame and clip them to it; of those not empty, the best "
            f"{rule.max_detections} are the detections.",
        ]
    )


def _end_to_end_text(manifest: Manifest) -> str:
    output, most = manifest.output, manifest.detection.max_detections
    names = [code_span(VARIANTS[variant]) for variant in END_TO_END.values()]
    boxes, scores = code_span(output.boxes), code_span(output.scores)
    class_ids, count = code_span(output.class_ids), code_span(output.count)
    return (
        f"**With suppression in the graph**, in a file {' or '.join(names)}: the graph does steps "
        f"1 to 3, the input is the same. Outputs {boxes}: float32, N x {most} x 4, as above; "
        f"{scores}: float32, N x {most}; {class_ids}: int64, N x {most}, from 0 in the order "
        f"above; {count}: int64, N. {count} says how many rows of each image hold a detection, "
        "best score first; the others are zeros. What is left is the way back to the frame, just "
        "above; drop a box that is then empty: it lay in the border. The graph does not know the "
        f"frame: such boxes count among the {most}."
    )
