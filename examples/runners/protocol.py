"""What the runners here share: the protocol of docs/runners.md, the manifest of a Spotlet model.

Copy this file beside a runner; it needs numpy and nothing else.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

METADATA_PROPS = 14
"""The field of an ONNX file that holds pairs of a key (field 1) and a text (field 2).

Source: onnx.proto, messages ModelProto and StringStringEntryProto.
"""


def own_output() -> TextIO:
    """Returns where answers go; whatever else prints to standard output then reaches the error.

    Call it before an engine is loaded: many print.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def serve(
    answers: TextIO, hello: dict[str, Any], find: Callable[[Array, float], tuple[Array, ...]]
) -> None:
    """Says hello, then answers every picture until there are no more.

    Args:
        answers: from `own_output`.
        hello: all but the version.
        find: of a picture (H, W, 3) uint8 and the least score: boxes (N, 4) xyxy in its pixels,
            scores (N,) and class ids (N,).
    """

    def say(**content: object) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    say(spotlet_runner=1, **hello)
    while line := sys.stdin.buffer.readline():  # empty: Spotlet has closed the pipe
        asked = json.loads(line)
        size = asked["height"], asked["width"], 3
        picture = sys.stdin.buffer.read(size[0] * size[1] * 3)
        if len(picture) < size[0] * size[1] * 3:  # Spotlet was killed
            break
        pixels = np.frombuffer(picture, np.uint8).reshape(size)
        boxes, scores, class_ids = (
            each.tolist() for each in find(pixels, asked["score_threshold"])
        )
        say(id=asked["id"], boxes=boxes, scores=scores, class_ids=class_ids)


def serve_model(
    answers: TextIO,
    manifest: dict[str, Any],
    engine: str,
    compute: Callable[[Array], tuple[Array, Array]],
) -> None:
    """Serves a network of Spotlet's: every cell whose score is high enough; Spotlet suppresses.

    Args:
        answers: from `own_output`.
        manifest: from `read_manifest`.
        engine: its name and version, for records.
        compute: of a canvas (H, W, 3) uint8 BGR: boxes (K, 4) xyxy in [0, 1] and scores (K, C).
    """
    given, rule, classes = manifest["input"], manifest["detection"], manifest["classes"]
    height, width = given["size_hw"]
    canvas = {"height": height, "width": width, "resize": given["resize"]}
    canvas |= {"pad": given["pad_value"], "interpolation": given["interpolation"]}
    hello = {"name": f"{manifest['name']}, {engine}", "classes": classes, "input": canvas}
    hello |= {key: rule[key] for key in ("score_threshold", "iou_threshold")}

    def find(canvas_bgr: Array, score_threshold: float) -> tuple[Array, ...]:
        boxes, scores = compute(canvas_bgr)
        if boxes.shape != (len(scores), 4) or scores.shape != (len(boxes), len(classes)):
            sys.exit(
                f"{engine}: computed boxes {boxes.shape} and scores {scores.shape}; they must be "
                f"(K, 4) and (K, C), and the model has {len(classes)} classes"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            sys.exit(f"{engine}: computed NaN or infinity")
        wanted = scores >= score_threshold
        if not rule.get("every_class"):
            wanted &= np.arange(len(classes)) == scores.argmax(1)[:, None]
        cells, class_ids = np.nonzero(wanted)
        pixels = boxes[cells].astype(np.float64) * (width, height, width, height)
        return pixels, scores[cells, class_ids], class_ids

    serve(answers, hello, find)


def read_manifest(path: str) -> dict[str, Any]:
    """Returns the manifest that a Spotlet model's .onnx holds under the key `spotlet`."""
    manifest: dict[str, Any] = {}
    try:
        for number, content in _fields(Path(path).read_bytes()):
            entry = dict(_fields(content)) if number == METADATA_PROPS else {}
            if entry.get(1) == b"spotlet":
                manifest = json.loads(entry[2])
    except (OSError, IndexError, ValueError) as error:
        sys.exit(f"{path}: cannot be read as ONNX ({error})")
    if not manifest:
        sys.exit(f"{path}: no manifest; give an .onnx that Spotlet exported or adopted")
    if manifest["output"].get("form", "cells") != "cells":
        sys.exit(f"{path}: suppresses in its graph; give the variant that does not")
    return manifest


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the number and the content of each field of a protobuf message that has a length.

    Source: protobuf.dev/programming-guides/encoding, "Length-Delimited Records".
    """
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        field, kind = divmod(number(), 8)
        if kind == 2:
            length = number()
            yield field, message[at : at + length]
            at += length
        elif kind == 0:
            number()
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
