"""The manifest: what a model file says about itself.

JSON under the key `spotlet` in the ONNX metadata, so that the `.onnx` alone is enough. The
runtime reads every name, size and rule from it and guesses nothing from shapes.

Over 250 lines: each part of the record is a class with the rules of its values.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from spotlet.errors import ModelFileError, UsageError
from spotlet.letterbox import INTERPOLATIONS, PAD_VALUE, RESIZES, Letterbox
from spotlet.text.plain import is_plain, plain_line
from spotlet.text.schema import EXPORT_AGAIN, read_record, require_keys
from spotlet.tiles import TileSettings

METADATA_KEY = "spotlet"
"""The manifest's key in the ONNX metadata."""

SCHEMA = 4
"""The newest schema that this version reads. The third added the interpolation `linear_exact`, the
fourth `tiles`: a runtime that cannot cut a frame would find less than was proven, and so must
refuse."""

NO_TILES = TileSettings(layout="off")

SINCE_2 = ("form", "class_ids", "count")
"""Keys of `output` that schema 1 does not have."""

MOST_CHARACTERS = 4_000_000
"""Limit of a manifest's text. Those of the bundled models have 1,300."""

MOST_CLASSES = 65_536
"""The largest public image set has 21,841."""

MOST_NAME_CHARACTERS = 200
"""Limit of a name: it is drawn on pictures and written in every line of NDJSON."""

MOST_SIDE, MOST_PIXELS = 8192, 4096 * 4096
"""Limits of a canvas; each frame in work holds one in memory: 50 MB at most."""

FORMS = ("cells", "detections")
"""Kinds of outputs: those of every cell, or the detections that the graph's suppression kept."""


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ModelFileError(f"manifest: {plain_line(what)}; {EXPORT_AGAIN}")


def _check(what: str, value: Any, fits: Callable[[Any], bool], rule: str) -> None:
    _require(fits(value), f"{what} {value!r} must be {rule}")


def _check_choice(what: str, value: object, allowed: Collection[str]) -> None:
    _require(value in tuple(allowed), f"{what} {value!r} must be one of {', '.join(allowed)}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_NAME_CHARACTERS and is_plain(value)


def class_names_fault(names: Sequence[object]) -> str:
    """Returns the rule that class names break, as a sentence; empty if a manifest may have them."""
    if not (0 < len(names) <= MOST_CLASSES and all(map(_is_text, names))):
        return (
            f"classes must be a list of 1 to {MOST_CLASSES} names, each one line of at most "
            f"{MOST_NAME_CHARACTERS} characters without control characters"
        )
    return "" if len(set(names)) == len(names) else "classes must not repeat a name"


def _is_size(value: object) -> bool:
    sides = value if isinstance(value, tuple) and len(value) == 2 else (0, 0)
    whole = all(type(side) is int and 1 <= side <= MOST_SIDE for side in sides)
    return whole and sides[0] * sides[1] <= MOST_PIXELS


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRule:
    """How a frame becomes the graph's input, uint8 (N, H, W, 3).

    Attributes:
        name: of the graph's input.
        size_hw: of the canvas, pixels.
        colour_order: of the last axis; `BGR`, as in OpenCV.
        resize: one of `spotlet.letterbox.RESIZES`.
        interpolation: a key of `spotlet.letterbox.INTERPOLATIONS`.
        pad_value: grey of the border, 0 to 255.
    """

    name: str = "image"
    size_hw: tuple[int, int]
    colour_order: str = "BGR"
    resize: str = "letterbox"
    interpolation: str = "linear_exact"
    pad_value: int = PAD_VALUE

    def __post_init__(self) -> None:
        _check("input name", self.name, _is_text, "text")
        size_rule = f"two whole numbers to {MOST_SIDE}, together at most {MOST_PIXELS} pixels"
        _check("input size", self.size_hw, _is_size, size_rule)
        _check_choice("colour order", self.colour_order, ("BGR",))
        _check_choice("resize", self.resize, RESIZES)
        _check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        grey = self.pad_value
        _check("pad value", grey, lambda v: type(v) is int and 0 <= v < 256, "from 0 to 255")

    def letterbox(self, frame_hw: tuple[int, int]) -> Letterbox:
        """Returns how a frame of this height and width, pixels, lies on the canvas."""
        return Letterbox(frame_hw, self.size_hw, self.interpolation, self.pad_value, self.resize)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRule:
    """What the graph's outputs mean.

    A graph of the form `cells` has two outputs: every cell's box, and its score for every class. A
    graph of the form `detections` applies the manifest's `DetectionRule` and has M rows, best score
    first: `count` of them are detections, the rest zeros.

    Attributes:
        form: one of `FORMS`.
        boxes: name of the output float32 (N, K, 4), or (N, M, 4).
        box_encoding: `xyxy_unit`: left, top, right, bottom in [0, 1] of the canvas.
        scores: name of the output float32 (N, K, C), or (N, M).
        class_ids: name of the output int64 (N, M); of `detections` only.
        count: name of the output int64 (N,); of `detections` only.
        score_activation: `sigmoid` (classes independent) or `softmax`, applied in the graph.
    """

    form: str = "cells"
    boxes: str = "boxes"
    box_encoding: str = "xyxy_unit"
    scores: str = "scores"
    class_ids: str = "class_ids"
    count: str = "count"
    score_activation: str = "sigmoid"

    def __post_init__(self) -> None:
        for output in (self.boxes, self.scores, self.class_ids, self.count):
            _check("output name", output, _is_text, "text")
        _check_choice("form", self.form, FORMS)
        _check_choice("box encoding", self.box_encoding, ("xyxy_unit",))
        _check_choice("score activation", self.score_activation, ("sigmoid", "softmax"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionRule:
    """How the outputs become detections.

    Attributes:
        score_threshold: the least score kept, in [0, 1].
        iou_threshold: non-maximum suppression drops a box that overlaps a better one of the
            same class by more than this, in (0, 1].
        max_detections: the most kept per frame.
        every_class: whether a cell is a candidate for every class that reaches the threshold,
            as in COCO's AP, or for its best class only, as people expect.
    """

    score_threshold: float = 0.4
    iou_threshold: float = 0.6
    max_detections: int = 300
    every_class: bool = False

    def __post_init__(self) -> None:
        iou, most = self.iou_threshold, self.max_detections
        _check("score threshold", self.score_threshold, _is_fraction, "from 0 to 1")
        _check("IoU threshold", iou, lambda v: _is_fraction(v) and v > 0, "over 0 and at most 1")
        _check("max detections", most, lambda v: type(v) is int and v > 0, "a whole number from 1")
        _check("every class", self.every_class, lambda v: isinstance(v, bool), "true or false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that the runtime knows about a model.

    Attributes:
        name: of the model, for people.
        classes: class names; the index is the class id.
        input: how a frame becomes the input.
        output: what the outputs mean.
        detection: how they become detections.
        tiles: how frames are cut, as the model was trained for.
        training: what it was trained on, for how long, with which metrics; free JSON.
        parity: what the export gate measured; free JSON.
        producer: the program that wrote the file.

    Raises:
        ModelFileError: a value breaks its rule.
    """

    name: str
    classes: tuple[str, ...]
    input: InputRule
    output: OutputRule = field(default_factory=OutputRule)
    detection: DetectionRule = field(default_factory=DetectionRule)
    tiles: TileSettings = NO_TILES
    training: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    producer: str = "spotlet"

    def __post_init__(self) -> None:
        _check("name", self.name, _is_text, "text")
        _check("producer", self.producer, _is_text, "text")
        _require(isinstance(self.training, dict), "training must be a JSON object")
        _require(isinstance(self.parity, dict), "parity must be a JSON object")
        _require(not (fault := class_names_fault(self.classes)), fault)

    def to_json(self) -> str:
        """Returns the manifest as the text in the ONNX metadata, in the oldest schema that fits.

        Raises:
            ModelFileError: `training` or `parity` holds something that JSON cannot, such as NaN.
        """
        plain = self.output.form == "cells" and self.input.resize == "letterbox"
        exact = self.input.interpolation == "linear_exact"
        oldest = 4 if self.tiles else 3 if exact else 1 if plain else 2
        content = {"schema": oldest, **asdict(self)}
        if not self.tiles:
            del content["tiles"]
        if content["schema"] == 1:
            content["output"] = {k: v for k, v in content["output"].items() if k not in SINCE_2}
        try:
            return json.dumps(content, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"manifest: cannot be written as JSON ({error})") from error

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Returns the manifest that a model file carries.

        Raises:
            ModelFileError: not JSON, a newer schema, a missing or unknown key, or a bad value.
        """
        size = len(text)
        _require(size <= MOST_CHARACTERS, f"{size} characters must be at most {MOST_CHARACTERS}")
        content = read_record(text, SCHEMA, "manifest")
        schema = content.pop("schema")
        given = content.get("input")
        exact = isinstance(given, dict) and given.get("interpolation") == "linear_exact"
        _require(schema >= 3 or not exact, f"schema {schema} has no interpolation 'linear_exact'")
        absent = {"output": SINCE_2} if schema == 1 else {}
        parts: Any = {"input": InputRule, "output": OutputRule, "detection": DetectionRule}
        if schema >= 4:
            parts["tiles"] = TileSettings
        try:
            for key, rule in parts.items():
                part = require_keys(content.get(key), rule, f"{key}: ", absent.get(key, ()))
                if isinstance(part.get("size_hw"), list):
                    part["size_hw"] = tuple(part["size_hw"])
                content[key] = rule(**part)
            require_keys(content, cls, absent=() if schema >= 4 else ("tiles",))
        except (ValueError, UsageError) as error:
            _require(False, str(error))
        _require(isinstance(content["classes"], list), "classes must be a list of names")
        return cls(**{**content, "classes": tuple(content["classes"])})
