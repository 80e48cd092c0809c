"""Compares a file with suppression in its graph with the file that it was made from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from spotlet import Detector
from spotlet.check.cross_checks import compare_suppression
from spotlet.detections import Detections
from spotlet.letterbox import ImageArray
from spotlet.manifest import METADATA_KEY, NO_TILES, Manifest
from spotlet.postprocess import LEAST_SCORE
from spotlet_export.gate.detection_parity import detection_rows
from spotlet_export.gate.reference import Reference
from spotlet_export.gate.report import Row
from spotlet_export.gate.tensor_parity import BATCH
from spotlet_export.gate.variants import FP32_LIMITS
from spotlet_export.graph.suppression import manifest_of, with_suppression


def with_low_threshold(model: onnx.ModelProto, score_threshold: float) -> onnx.ModelProto:
    """Returns the network with suppression and a lower threshold, for more detections to compare.

    Args:
        model: of the form `cells`; not changed.
        score_threshold: used if it is below the manifest's.
    """
    manifest = manifest_of(model)
    least = min(manifest.detection.score_threshold, score_threshold)
    other = onnx.ModelProto()
    other.CopyFrom(model)
    rule = replace(manifest.detection, score_threshold=least)
    onnx.helper.set_model_props(other, {METADATA_KEY: replace(manifest, detection=rule).to_json()})
    return with_suppression(other)


def compare_end_to_end(
    reference: Reference, cells: Path, files: Sequence[Path], variant: str
) -> list[Row]:
    """Returns the rows for files with suppression against the file that they were made from.

    Both go through the shipped runtime, which suppresses after the one and not after the other,
    frame by frame and in batches. It is the same network on the same machine, in eight bits too:
    the detections must be equal, except for overlaps within float noise of the threshold.

    Args:
        reference: has the frames.
        cells: without suppression.
        files: with suppression; the thresholds of each apply to both sides.
        variant: its name, for the report.
    """
    images = [frame.image_bgr for frame in reference.frames]
    agreements, ties, wanted = [], 0, 0
    for file in files:
        detector = Detector(file, tiles=NO_TILES)
        source = Detector(cells, score_threshold=detector.rule.score_threshold, tiles=NO_TILES)
        for size in (1, BATCH):
            sides = zip(
                images,
                _in_batches(source, images, size),
                _in_batches(detector, images, size),
                strict=True,
            )
            for image, want, got in sides:
                agreement, tie = compare_suppression(source, image, want, got)
                agreements.append(agreement)
                ties += tie
                wanted += len(want)
    over = f"{wanted} detections, {len(images)} frames, batch 1 and {BATCH}"
    return [
        *detection_rows(agreements, wanted, ties, over, FP32_LIMITS, variant),
        Row(
            variant=variant,
            name="outputs that break the contract",
            over=f"{len(images)} frames, batch {_batch(files[0])}",
            measured=sum(_breaches(file, reference) for file in files),
            limit=0,
        ),
    ]


def _in_batches(detector: Detector, images: Sequence[ImageArray], size: int) -> list[Detections]:
    parts = [detector.detect(images[n : n + size]) for n in range(0, len(images), size)]
    return [found for part in parts for found in part]


def _breaches(file: Path, reference: Reference) -> int:
    """Returns in how many frames the outputs break the contract for hosts without our runtime.

    Rows from the count on are zeros, those before reach the threshold; the best score comes first;
    class ids exist, and boxes are on the canvas.
    """
    session = ort.InferenceSession(file)
    texts = session.get_modelmeta().custom_metadata_map
    manifest = Manifest.from_json(texts[METADATA_KEY])
    output, most = manifest.output, manifest.detection.max_detections
    names = [output.boxes, output.scores, output.class_ids, output.count]
    least_score = np.float32(max(manifest.detection.score_threshold, LEAST_SCORE))
    breaches, batch = 0, _batch(file)
    for start in range(0, len(reference.canvases), batch):
        canvases = reference.canvases[start : start + batch]
        results = session.run(names, {manifest.input.name: canvases})
        for boxes, scores, class_ids, count in zip(*results, strict=True):
            rows = np.arange(most) < count
            corners, opposite = boxes[:, :2], boxes[:, 2:]
            sound = (
                boxes.shape == (most, 4)
                and scores.shape == class_ids.shape == (most,)
                and 0 <= count <= most
                and not (boxes[~rows].any() or scores[~rows].any() or class_ids[~rows].any())
                and np.all(scores[rows] >= least_score)
                and np.all(np.diff(scores) <= 0)
                and np.all((class_ids >= 0) & (class_ids < len(manifest.classes)))
                and np.all((corners >= 0) & (opposite <= 1))
                and np.all(corners[rows] < opposite[rows])
            )
            breaches += not sound
    return breaches


def _batch(file: Path) -> int:
    """Returns how many canvases are run at a time: `BATCH`, or 1 if the file has no other batch."""
    return 1 if onnx.load(file).graph.input[0].type.tensor_type.shape.dim[0].dim_value else BATCH
