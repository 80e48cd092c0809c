"""Decodes the original file a second, slow and obvious way.

onnxruntime runs the unchanged file. Preprocessing and decoding are done in numpy, independently of
the rewriting: this module imports nothing of it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from spotlet.boxes import FloatArray
from spotlet.errors import ModelFileError
from spotlet.letterbox import ImageArray
from spotlet_export.adoption.original.grids import activated, decoded_grids
from spotlet_export.adoption.original.rows import parts_of, split_rows
from spotlet_export.adoption.signature import (
    SUPPRESSED,
    InputSignature,
    OutputSignature,
    Signature,
)
from spotlet_export.gate.interruption import interruptible

Wide = npt.NDArray[np.float64]


class OriginalDecoder:
    """The original network with its signature.

    Attributes:
        session: of the unchanged file.
        signature: how to read it.
        on_canvases: called with the number of canvases of a call that are done, and of all.
    """

    def __init__(self, session: ort.InferenceSession, signature: Signature) -> None:
        self.session = session
        self.signature = signature
        self.on_canvases: Callable[[int, int], None] = lambda _, __: None

    def __call__(self, canvases: ImageArray) -> tuple[FloatArray, FloatArray]:
        """Returns boxes (N, K, 4) and scores (N, K, C), both clipped to [0, 1].

        Equal canvases are computed once.
        """
        found: list[tuple[FloatArray, FloatArray]] = []
        for canvas in canvases:
            twin = next((n for n in range(len(found)) if (canvases[n] == canvas).all()), None)
            found.append(self._clipped(canvas) if twin is None else found[twin])
            self.on_canvases(len(found), len(canvases))
        boxes, scores = (np.stack(part) for part in zip(*found, strict=True))
        return boxes, scores

    def _clipped(self, canvas: ImageArray) -> tuple[FloatArray, FloatArray]:
        boxes, scores = self.uncut(canvas)
        return (
            np.clip(boxes, 0, 1).astype(np.float32),
            np.clip(scores, 0, 1).astype(np.float32),
        )

    def uncut(self, canvas: ImageArray) -> tuple[Wide, Wide]:
        """Returns boxes (K, 4) and scores (K, C) of one canvas, not clipped.

        Raises:
            ModelFileError: onnxruntime fails on it.
        """
        return self.decoded(self.outputs(canvas))

    def decoded(self, parts: list[Wide]) -> tuple[Wide, Wide]:
        """Returns boxes (K, 4) and scores (K, C) of `outputs`, not clipped."""
        with np.errstate(over="ignore", invalid="ignore"):
            return decoded(parts, self.signature.output, self.signature.input.size_hw)

    def outputs(self, canvas: ImageArray) -> list[Wide]:
        """Returns the outputs that the layout uses for one canvas, in its order.

        Raises:
            ModelFileError: onnxruntime fails on it.
        """
        rule = self.signature.output
        feeds = {self.signature.input.name: preprocessed(canvas, self.signature.input)}
        feeds |= dict(self.signature.input.fixed)
        return parts_of(run(self.session, list(rule.outputs), feeds), rule)


def run(
    session: ort.InferenceSession, names: list[str], feeds: dict[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Returns outputs by name, for one picture.

    A network whose batch is fixed gets the picture as often as it wants; its first results count.

    Raises:
        ModelFileError: onnxruntime fails, or an output does not have a row for each picture.
    """
    batch = 1
    for port in session.get_inputs():
        value = feeds.get(port.name)
        if value is not None and value.ndim == 4 and len(value) == 1 and len(port.shape) == 4:
            batch = port.shape[0] if isinstance(port.shape[0], int) else 1
            feeds = feeds | {port.name: np.repeat(value, max(batch, 1), axis=0)}
    try:
        results = interruptible(lambda: session.run(names, feeds))
        given = dict(zip(names, results, strict=True))
    except Exception as error:  # onnxruntime's exceptions share no public base class
        shapes = ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in feeds.items())
        raise ModelFileError(
            f"onnxruntime cannot run the original on {shapes}: {str(error).splitlines()[0]}; set "
            "--size, --axes and --fix as for its export"
        ) from error
    if batch <= 1:
        return given
    for name, value in given.items():
        if value.shape[:1] != (batch,):
            raise ModelFileError(
                f"output {name} {value.shape}: has no row for each of the {batch} pictures of the "
                "fixed batch; export it with a batch of 1"
            )
    return {name: value[:1] for name, value in given.items()}


def preprocessed(canvas: ImageArray, rule: InputSignature) -> npt.NDArray[Any]:
    """Returns the network's input for one canvas (H, W, 3) uint8 BGR: a batch of 1, or alone."""
    colours = {"BGR": (0, 1, 2), "RGB": (2, 1, 0)}[rule.colour]
    planes = []
    for place, colour in enumerate(colours):
        plane = canvas[:, :, colour].astype(np.float64)
        planes.append((plane * rule.scale - rule.mean[place]) / rule.std[place])
    stacked = np.stack(planes, axis={"NCHW": 0, "NHWC": 2}[rule.axes]).astype(np.float32)
    return (stacked[np.newaxis] if rule.batch_axis else stacked).astype(rule.dtype)


def decoded(
    parts: list[Wide], rule: OutputSignature, size_hw: tuple[int, int]
) -> tuple[Wide, Wide]:
    """Returns boxes and scores for the outputs of one canvas, cell by cell."""
    if rule.grids is not None:
        return decoded_grids(dict(zip(rule.outputs, parts, strict=True)), rule, size_hw)
    if rule.layout == "4+C,K":
        parts = [parts[0].T]
    if rule.layout in SUPPRESSED:
        parts = split_rows(parts, rule)
    boxes = _corners(parts[0][:, :4], rule, size_hw)
    if rule.layout in SUPPRESSED:
        row, ids = parts[1:]
        row = activated(row[:, np.newaxis], rule)[:, 0]
        if rule.rows is not None:
            boxes, row, ids = (_filled(part, row, rule.rows) for part in (boxes, row, ids))
        scores = np.zeros((len(boxes), rule.classes))
        for cell, class_id in enumerate(ids.astype(int) - (rule.background == "first")):
            if 0 <= class_id < rule.classes:
                scores[cell, class_id] = row[cell]
        return boxes, scores
    if len(parts) == 2:
        scores = parts[1]
    else:
        scores = parts[0][:, 5:] if rule.layout == "K,5+C" else parts[0][:, 4:]
    scores = scores[:, : scores.shape[1] - rule.extra] if len(parts) == 1 else scores
    scores = activated(scores, rule)
    if rule.background == "first":
        scores = scores[:, 1:]
    if rule.background == "last":
        scores = scores[:, :-1]
    if rule.layout == "K,5+C":
        scores = scores * activated(parts[0][:, 4:5], rule)
    return boxes, scores


def _filled(part: Wide, by: Wide, rows: int) -> Wide:
    """Returns the rows with the best scores, (rows, …), padded with zeros."""
    taken = part[np.argsort(-by, kind="stable")][:rows]
    return np.concatenate([taken, np.zeros((rows - len(taken), *part.shape[1:]))])


def _corners(numbers: Wide, rule: OutputSignature, size_hw: tuple[int, int]) -> Wide:
    """Returns left, top, right, bottom in fractions of the canvas."""
    high, wide = size_hw
    first, second, third, fourth = numbers.T
    if rule.box_format == "xyxy":
        left, top, right, bottom = first, second, third, fourth
    elif rule.box_format == "yxyx":
        top, left, bottom, right = first, second, third, fourth
    elif rule.box_format == "xywh":
        left, top, right, bottom = first, second, first + third, second + fourth
    else:
        x, y, w, h = first, second, third, fourth
        if rule.box_format == "cycxhw":
            y, x, h, w = first, second, third, fourth
        if rule.anchors is not None:
            x, y, w, h = _off_anchors(x, y, w, h, rule, size_hw)
        elif rule.strides:
            x, y, w, h = _off_grid(x, y, w, h, rule.strides, size_hw)
        left, top, right, bottom = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    if rule.box_unit == "pixels" and rule.anchors is None:
        left, top, right, bottom = left / wide, top / high, right / wide, bottom / high
    return np.stack([left, top, right, bottom], axis=1)


def _off_grid(
    x: Wide, y: Wide, w: Wide, h: Wide, strides: tuple[int, ...], size_hw: tuple[int, int]
) -> tuple[Wide, Wide, Wide, Wide]:
    places = [
        (column, row, stride)
        for stride in strides
        for row in range(size_hw[0] // stride)
        for column in range(size_hw[1] // stride)
    ]
    columns, rows, steps = np.array(places, np.float64).T
    return (x + columns) * steps, (y + rows) * steps, np.exp(w) * steps, np.exp(h) * steps


def _off_anchors(
    x: Wide, y: Wide, w: Wide, h: Wide, rule: OutputSignature, size_hw: tuple[int, int]
) -> tuple[Wide, Wide, Wide, Wide]:
    assert rule.anchors is not None
    anchor_x, anchor_y, anchor_w, anchor_h = rule.anchors.astype(np.float64).T
    if rule.offsets == "pixels":
        high, wide = size_hw
        return (
            anchor_x + x / wide * anchor_w,
            anchor_y + y / high * anchor_h,
            w / wide * anchor_w,
            h / high * anchor_h,
        )
    in_x, in_y, in_w, in_h = rule.variances
    return (
        anchor_x + x * in_x * anchor_w,
        anchor_y + y * in_y * anchor_h,
        anchor_w * np.exp(w * in_w),
        anchor_h * np.exp(h * in_h),
    )
