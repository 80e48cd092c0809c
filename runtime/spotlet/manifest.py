"""The manifest: what a model file says about itself.

JSON under the key `spotlet` in the ONNX metadata, so that the `.onnx` alone is enough. The
runtime reads every name, size and rule from here and guesses nothing from shapes.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from spotlet.errors import ModelFileError
from spotlet.letterbox import INTERPOLATIONS, PAD_VALUE, RESIZES, Letterbox
from spotlet.text.plain import is_plain, parse_json, plain_line

METADATA_KEY = "spotlet"
"""Where the manifest lies in the ONNX file's metadata."""

SCHEMA = 3
"""The newest manifest that this version reads. The third added the interpolation `linear_exact`."""

SINCE_2 = ("form", "class_ids", "count")
"""Keys of `output` that schema 1 does not have."""

MOST_CHARACTERS = 4_000_000
"""Of a manifest's text. Those of the bundled models have 1,300."""

MOST_CLASSES = 65_536
"""The largest public set of pictures has 21,841."""

MOST_NAME_CHARACTERS = 200
"""Of one name: it is drawn into pictures, and stands in every line of NDJSON."""

MOST_SIDE, MOST_PIXELS = 8192, 4096 * 4096
"""Of a canvas, which is held in memory for each frame at work: 50 MB at most."""

FORMS = ("cells", "detections")
"""What the outputs may be: of every cell, or suppressed in the graph already."""


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ModelFileError(f"manifest: {plain_line(what)}; export the model again")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRule:
    """How a frame becomes the graph's input, uint8 (N, H, W, 3).

    Attributes:
        name: of the graph's input.
        size_hw: of the canvas, pixels.
        colour_order: of the last axis; `BGR`, as OpenCV gives it.
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
        _require(_is_text(self.name), f"input name {self.name!r} must be text")
        _require(
            _is_size(self.size_hw),
            f"input size {self.size_hw!r} must be two whole numbers to {MOST_SIDE}, together at "
            f"most {MOST_PIXELS} pixels",
        )
        _require(self.colour_order == "BGR", f"colour order {self.colour_order!r} must be BGR")
        _require(
            self.resize in RESIZES, f"resize {self.resize!r} must be one of {', '.join(RESIZES)}"
        )
        _require(
            isinstance(self.interpolation, str) and self.interpolation in INTERPOLATIONS,
            f"interpolation {self.interpolation!r} must be one of {', '.join(INTERPOLATIONS)}",
        )
        _require(
            type(self.pad_value) is int and 0 <= self.pad_value <= 255,
            f"pad value {self.pad_value!r} must be from 0 to 255",
        )

    def letterbox(self, frame_hw: tuple[int, int]) -> Letterbox:
        """Returns how a frame of this height and width, pixels, lies on the canvas."""
        return Letterbox(frame_hw, self.size_hw, self.interpolation, self.pad_value, self.resize)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRule:
    """What the graph's outputs mean.

    A graph of the form `cells` has two: every cell's box, and its score for every class. One of the
    form `detections` has thresholding and suppression in it, by the manifest's `DetectionRule`, and
    gives M rows, best score first, of which `count` say something and the rest are zeros.

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
            _require(_is_text(output), f"output name {output!r} must be text")
        _require(self.form in FORMS, f"form {self.form!r} must be one of {', '.join(FORMS)}")
        _require(
            self.box_encoding == "xyxy_unit", f"box encoding {self.box_encoding!r} is not known"
        )
        _require(
            self.score_activation in ("sigmoid", "softmax"),
            f"score activation {self.score_activation!r} is not known",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionRule:
    """How the outputs become detections.

    Attributes:
        score_threshold: the least score kept, in [0, 1].
        iou_threshold: non-maximum suppression drops a box that overlaps a better one of the
            same class by more than this, in (0, 1].
        max_detections: the most that one frame gives.
        every_class: whether a cell is a candidate for every class that reaches the threshold,
            as COCO's AP wants it, or for its best class only, as a person wants it.
    """

    score_threshold: float = 0.4
    iou_threshold: float = 0.6
    max_detections: int = 300
    every_class: bool = False

    def __post_init__(self) -> None:
        _require(
            _is_number(self.score_threshold) and 0 <= self.score_threshold <= 1,
            f"score threshold {self.score_threshold!r} must be from 0 to 1",
        )
        _require(
            _is_number(self.iou_threshold) and 0 < self.iou_threshold <= 1,
            f"IoU threshold {self.iou_threshold!r} must be over 0 and at most 1",
        )
        _require(
            type(self.max_detections) is int and self.max_detections >= 1,
            f"max detections {self.max_detections!r} must be a whole number from 1",
        )
        _require(
            isinstance(self.every_class, bool), f"every class {self.every_class!r}: true or false"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that the runtime knows of a model.

    Attributes:
        name: of the model, as a person would say it.
        classes: their names; the index is the class id.
        input: how a frame becomes the input.
        output: what the outputs mean.
        detection: how they become detections.
        training: what it was trained on, for how long, with which metrics; free JSON.
        parity: what the export gate measured; free JSON.
        producer: what wrote the file.

    Raises:
        ModelFileError: a value breaks its rule.
    """

    name: str
    classes: tuple[str, ...]
    input: InputRule
    output: OutputRule = field(default_factory=OutputRule)
    detection: DetectionRule = field(default_factory=DetectionRule)
    training: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    producer: str = "spotlet"

    def __post_init__(self) -> None:
        for key, text in (("name", self.name), ("producer", self.producer)):
            _require(_is_text(text), f"{key} {text!r} must be text")
        for key, record in (("training", self.training), ("parity", self.parity)):
            _require(isinstance(record, dict), f"{key} must be a JSON object")
        _require(
            0 < len(self.classes) <= MOST_CLASSES and all(map(_is_text, self.classes)),
            f"classes must be a list of 1 to {MOST_CLASSES} names, each one line of at most "
            f"{MOST_NAME_CHARACTERS} characters without control characters",
        )
        _require(len(set(self.classes)) == len(self.classes), "classes must not repeat a name")

    def to_json(self) -> str:
        """Returns the manifest as the text that rides in the ONNX metadata.

        It is written in the oldest schema that can say it, so that older runtimes read it.

        Raises:
            ModelFileError: `training` or `parity` holds what JSON cannot, as NaN.
        """
        plain = self.output.form == "cells" and self.input.resize == "letterbox"
        exact = self.input.interpolation == "linear_exact"
        content = {"schema": SCHEMA if exact else 1 if plain else 2, **asdict(self)}
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
            ModelFileError: not JSON, a newer schema, a key missing or unknown, a bad value.
        """
        _require(
            len(text) <= MOST_CHARACTERS,
            f"{len(text)} characters must be at most {MOST_CHARACTERS}",
        )
        try:
            content = parse_json(text)
        except ValueError as error:
            raise ModelFileError(
                f"manifest: not JSON ({plain_line(str(error))}); export the model again"
            ) from error
        _require(isinstance(content, dict), "must be a JSON object")
        schema = content.pop("schema", None)
        _require(type(schema) is int and schema >= 1, f"schema {schema!r} must be a whole number")
        if schema > SCHEMA:
            raise ModelFileError(
                f"manifest: schema {schema} is newer than this spotlet reads ({SCHEMA}); "
                "run `pip install --upgrade spotlet`"
            )
        given = content.get("input")
        exact = isinstance(given, dict) and given.get("interpolation") == "linear_exact"
        _require(schema >= 3 or not exact, f"schema {schema} has no interpolation 'linear_exact'")
        for key, rule in (
            ("input", InputRule),
            ("output", OutputRule),
            ("detection", DetectionRule),
        ):
            absent = SINCE_2 if schema == 1 and rule is OutputRule else ()
            content[key] = _build(rule, content.get(key), f"{key}: ", absent)
        _require(isinstance(content.get("classes"), list), "classes must be a list of names")
        content["classes"] = tuple(content["classes"])
        return _build(cls, content, "")


_Rule = TypeVar("_Rule")


def _build(rule: type[_Rule], content: object, where: str, absent: tuple[str, ...] = ()) -> _Rule:
    """Returns the dataclass from JSON; a key that is missing or unknown is an error.

    Those that its schema does not have, `absent`, are unknown in it.
    """
    _require(isinstance(content, dict), f"{where}must be a JSON object")
    assert isinstance(content, dict)
    known = {item.name for item in fields(rule)} - set(absent)  # type: ignore[arg-type]
    unknown, missing = sorted(set(content) - known), sorted(known - set(content))
    _require(not unknown, f"{where}unknown key {', '.join(map(repr, unknown))}")
    _require(not missing, f"{where}missing key {', '.join(map(repr, missing))}")
    values = {
        key: tuple(v) if key == "size_hw" and isinstance(v, list) else v
        for key, v in content.items()
    }
    return rule(**values)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_NAME_CHARACTERS and is_plain(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_size(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(type(side) is int and 1 <= side <= MOST_SIDE for side in value)
        and value[0] * value[1] <= MOST_PIXELS
    )
