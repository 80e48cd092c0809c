"""The lines of a runner's protocol: what each must hold.

All faults are raised as ValueError, a sentence that follows "the line".
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
from spotlet.letterbox import INTERPOLATIONS, PAD_VALUE, RESIZES, ImageArray, Letterbox
from spotlet.manifest import MOST_NAME_CHARACTERS, MOST_PIXELS, MOST_SIDE, class_names_fault
from spotlet.text.plain import is_plain, parse_json, plain_line

PROTOCOL = 1
"""The newest version of the protocol that this module speaks."""

COLOURS = ("bgr", "rgb")

DEFAULT_SCORE_THRESHOLD = 0.5

MOST_REPORTED = 200
"""Characters that are kept of an error that a program reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The input of a program that wants all pictures alike.

    Attributes:
        height: pixels.
        width: pixels.
        colour: the order of a pixel's bytes, one of `COLOURS`.
        resize: one of `spotlet.letterbox.RESIZES`.
        pad: grey of the border, 0 to 255.
        interpolation: a key of `spotlet.letterbox.INTERPOLATIONS`.

    Raises:
        ValueError: a value breaks its rule.
    """

    height: int
    width: int
    colour: str = "bgr"
    resize: str = "letterbox"
    pad: int = PAD_VALUE
    interpolation: str = "linear_exact"

    def __post_init__(self) -> None:
        for side in (self.height, self.width):
            whole = type(side) is int and 1 <= side <= MOST_SIDE
            _require(whole, f"has a side {side!r}; it must be a whole number to {MOST_SIDE}")
        pixels = self.height * self.width
        _require(pixels <= MOST_PIXELS, f"asks for {pixels} pixels; at most {MOST_PIXELS}")
        choices = (
            (self.colour, COLOURS),
            (self.resize, RESIZES),
            (self.interpolation, tuple(INTERPOLATIONS)),
        )
        for value, allowed in choices:
            _require(value in allowed, f"has {value!r}; it must be one of {', '.join(allowed)}")
        grey = type(self.pad) is int and 0 <= self.pad < 256
        _require(grey, f"has pad {self.pad!r}; it must be a whole number from 0 to 255")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a program says about itself before the first picture.

    Attributes:
        classes: their names; the index is the class id.
        canvas: its input; None: frames of any size, BGR.
        score_threshold: its own operating point, in [0, 1].
        iou_threshold: for the non-maximum suppression (NMS) that it leaves to Spotlet, in (0, 1];
            None: it has suppressed.
        name: for records; empty: the command.

    Raises:
        ValueError: a value breaks its rule.
    """

    classes: tuple[str, ...]
    canvas: Canvas | None
    score_threshold: float = DEFAULT_SCORE_THRESHOLD
    iou_threshold: float | None = None
    name: str = ""

    def __post_init__(self) -> None:
        _require(not (fault := class_names_fault(self.classes)), f"breaks a rule: {fault}")
        score, iou, name = self.score_threshold, self.iou_threshold, self.name
        _require(
            _is_number(score) and 0 <= score <= 1,
            f"has score_threshold {score!r}; it must be from 0 to 1",
        )
        _require(
            iou is None or (_is_number(iou) and 0 < iou <= 1),
            f"has iou_threshold {iou!r}; it must be over 0 and at most 1",
        )
        plain = isinstance(name, str) and len(name) <= MOST_NAME_CHARACTERS and is_plain(name)
        _require(plain, f"has name {name!r}; it must be a line of {MOST_NAME_CHARACTERS} at most")

    def letterbox(self, frame_hw: tuple[int, int]) -> Letterbox:
        """Returns how a frame of this height and width, pixels, becomes the program's picture."""
        canvas = self.canvas
        if canvas is None:
            return Letterbox(frame_hw, frame_hw)
        size_hw = canvas.height, canvas.width
        return Letterbox(frame_hw, size_hw, canvas.interpolation, canvas.pad, canvas.resize)


def read_hello(line: bytes) -> Hello:
    """Returns what a program's first line says.

    Raises:
        ValueError: it is not such a line.
    """
    content = _object(line)
    version = content.pop("spotlet_runner", None)
    _require(
        version == PROTOCOL and type(version) is int,
        f"has spotlet_runner {version!r}; it must be {PROTOCOL}, the protocol's version",
    )
    _keys(content, ("classes", "input"), ("score_threshold", "iou_threshold", "name"))
    classes, given = content.pop("classes"), content.pop("input")
    _require(isinstance(classes, list), "has classes that are not a list of names")
    canvas = None
    if given != "frame":
        rule = 'has an input that is neither "frame" nor an object with height and width'
        _require(isinstance(given, dict), rule)
        _keys(given, ("height", "width"), ("colour", "resize", "pad", "interpolation"))
        canvas = Canvas(**given)
    return Hello(classes=tuple(classes), canvas=canvas, **content)


def picture_parts(
    number: int, picture: ImageArray, score_threshold: float
) -> tuple[bytes, memoryview]:
    """Returns what is sent for a picture: its line, and its bytes, row by row.

    The line's keys always have the same order, so that a C program can use `sscanf`.

    Args:
        number: of the picture, from 1.
        picture: (H, W, 3) uint8, of the program's size and colour order.
        score_threshold: objects below it are not used.
    """
    height, width = picture.shape[:2]
    header = {"id": number, "height": height, "width": width, "score_threshold": score_threshold}
    return json.dumps(header).encode() + b"\n", np.ascontiguousarray(picture).data


def read_answer(
    line: bytes, number: int, picture_hw: tuple[int, int], class_count: int
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Returns the objects of a program's answer.

    Args:
        line: the answer.
        number: of the picture that was sent.
        picture_hw: its height and width, pixels.
        class_count: how many classes the program has.

    Returns:
        boxes: (N, 4) float32 xyxy, in [0, 1] of the picture, clipped to it.
        scores: (N,) float32 in [0, 1].
        class_ids: (N,) int64.

    Raises:
        ValueError: it is not such a line, it answers another picture, or it says that the program
            failed.
    """
    _require(not (reported := _reported(line)), f"reports an error: {reported}")
    content = _object(line)
    given = content.get("id")
    _require(type(given) is int and given == number, f"has id {given!r}; the picture has {number}")
    _keys(content, ("id", "boxes", "scores", "class_ids"), ())
    boxes, scores, class_ids = content["boxes"], content["scores"], content["class_ids"]
    lists = all(isinstance(values, list) for values in (boxes, scores, class_ids))
    _require(lists, "has boxes, scores or class_ids that are not a list")
    counts = len(boxes), len(scores), len(class_ids)
    _require(
        len(set(counts)) == 1,
        "has {} boxes, {} scores and {} class_ids; as many of each are needed".format(*counts),
    )
    for box in boxes:
        four = isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))
        _require(four, f"has the box {box!r}; it must be four numbers")
        inverted = box[2] < box[0] or box[3] < box[1]
        _require(
            not inverted,
            f"has the box {box!r}; it must be left, top, right, bottom, not a centre and a size",
        )
    for score in scores:
        inside = _is_number(score) and 0 <= score <= 1
        remedy = "apply the network's activation, such as the sigmoid"
        _require(inside, f"has the score {score!r}; it must be a number from 0 to 1: {remedy}")
    for index in class_ids:
        known = type(index) is int and 0 <= index < class_count
        _require(known, f"has the class id {index!r}; it must be from 0 to {class_count - 1}")
    height, width = picture_hw
    unit = np.array(boxes, np.float64).reshape(-1, 4) / (width, height, width, height)
    clipped = np.clip(unit, 0, 1).astype(np.float32)
    return clipped, np.array(scores, np.float32), np.array(class_ids, np.int64)


def _reported(line: bytes) -> str:
    """Returns the end of the error that a line reports, such as a traceback, in one line."""
    try:
        content = json.loads(line, strict=False)
    except (ValueError, RecursionError):  # which is reported when the line is read for all else
        return ""
    if not isinstance(content, dict) or "error" not in content:
        return ""
    words = " ".join(str(content["error"]).split()) or "without a text"
    return words if len(words) <= MOST_REPORTED else "…" + words[1 - MOST_REPORTED :]


def _require(condition: bool, fault: str) -> None:
    if not condition:
        raise ValueError(fault)


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _object(line: bytes) -> dict[str, Any]:
    try:
        content = parse_json(line)
    except ValueError as error:
        shown = plain_line(line.decode("utf-8", "replace"), 80)
        raise ValueError(f"is not JSON ({error}): {shown}") from error
    _require(isinstance(content, dict), "must be a JSON object")
    return dict(content)


def _keys(content: dict[str, Any], needed: tuple[str, ...], optional: tuple[str, ...]) -> None:
    missing, unknown = set(needed) - set(content), set(content) - {*needed, *optional}
    _require(not missing, f"lacks {', '.join(sorted(missing))}")
    _require(not unknown, f"has unknown keys: {', '.join(sorted(unknown))}")
