"""The detector: a frame in, detections out.

Over 250 lines, most of them the documentation of the class that programs embed.
"""

from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.detections import Detections, ModelIdentity, model_name
from spotlet.errors import UsageError
from spotlet.letterbox import FrameArray, ImageArray, Letterbox, require_frame
from spotlet.manifest import DetectionRule, Manifest
from spotlet.model.package import locate_model
from spotlet.model.providers import CPU_PROVIDER
from spotlet.postprocess import detections_from_outputs
from spotlet.seams import border_pixels, merge_parts, moved
from spotlet.session import ModelSession, SessionSettings
from spotlet.tiles import Part, TileSettings

AT_ONCE = 8
"""The frames of a generator, or the parts of a frame, that share a network call."""


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What the network returned for a frame or a part of it, and how that lay on its canvas.

    Attributes:
        letterbox: from the frame, or its part, to the canvas and back.
        canvas: (canvas H, canvas W, 3) uint8 BGR, the network's input.
        boxes: (K, 4) float32 xyxy, in [0, 1] of the canvas. If the graph suppresses, each
            cell is a detection.
        scores: (K, C) float32 in [0, 1].
        part_xyxy: of the frame, whole pixels; None: all of it.
    """

    letterbox: Letterbox
    canvas: ImageArray
    boxes: FloatArray
    scores: FloatArray
    part_xyxy: Part | None = None


class Detector:
    """Detects objects in frames of any size. Threads may share one instance.

    So may processes: a child of `fork` opens the model's file again when it first needs it, and a
    detector is pickled as the file's path and its settings.

    Attributes:
        session: the loaded file.
        rule: thresholds and limits; may be replaced between two calls.
        tiles: how frames are cut; may be replaced likewise.
        identity: the file, as `Detections.model` has it.

    Example:
        >>> import numpy as np
        >>> from spotlet import Detector
        >>> detector = Detector("garments")
        >>> detections = detector(np.zeros((480, 640, 3), np.uint8))
        >>> detections.boxes_xyxy.shape[1]
        4
    """

    def __init__(
        self,
        model: str | Path,
        *,
        variant: str | None = None,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
        every_class: bool | None = None,
        tiles: TileSettings | None = None,
        session: SessionSettings = SessionSettings(),  # noqa: B008
    ) -> None:
        """Loads a model.

        If the file's graph suppresses, its rule can only be made stricter: the graph has dropped
        the rest.

        Args:
            model: a bundled name, a package folder, or an `.onnx` file.
            variant: which file of a package, one of `spotlet.model.VARIANTS`; `fp32` if None.
            score_threshold: the least score kept, in [0, 1]; None: the manifest's.
            iou_threshold: overlap over which NMS drops the weaker box of a class, in (0, 1];
                None: the manifest's.
            max_detections: the most kept per frame; None: the manifest's.
            every_class: whether a cell may yield several classes, as in COCO's AP, or only its
                best; None: the manifest's.
            tiles: how to cut frames for small objects, at the cost of an inference for each tile;
                None: the manifest's.
            session: threads and execution provider.

        Raises:
            ModelFileError: there is no such model, or its file cannot be used.
            UsageError: a threshold is out of range or looser than the graph's, or the variant is
                unknown.
        """
        if score_threshold is not None:
            _require_score(score_threshold)
        if iou_threshold is not None and not 0 < iou_threshold <= 1:
            raise UsageError(f"IoU threshold {iou_threshold}: must be over 0 and at most 1")
        if max_detections is not None and (type(max_detections) is not int or max_detections < 1):
            raise UsageError(f"max detections {max_detections}: must be a whole number from 1")
        self.session = ModelSession(locate_model(model, variant), session)
        self.identity = ModelIdentity(model_name(model), self.session.sha256)
        asked = {
            "score_threshold": score_threshold,
            "iou_threshold": iou_threshold,
            "max_detections": max_detections,
            "every_class": every_class,
        }
        self.rule = replace(
            self.manifest.detection,
            **{key: value for key, value in asked.items() if value is not None},  # type: ignore[arg-type]
        )
        if tiles is not None and not isinstance(tiles, TileSettings):
            raise UsageError(
                f"tiles {tiles!r}: must be TileSettings, such as TileSettings(layout='2x2')"
            )
        self.tiles = self.manifest.tiles if tiles is None else tiles
        self._remaining_rule(self.rule)  # refuses a looser rule now, not at the first frame

    @property
    def manifest(self) -> Manifest:
        """What the model file says about itself."""
        return self.session.manifest

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes; the index is the class id."""
        return self.manifest.classes

    def __call__(self, frame_bgr: FrameArray | None) -> Detections:
        """Returns the detections of a frame.

        Args:
            frame_bgr: (H, W, 3) uint8 BGR, any size, as OpenCV returns it. None, which
                `cv2.imread` returns for an unreadable file, raises UsageError.

        Returns:
            Boxes in pixels of this frame, clipped to it; best score first.

        Raises:
            UsageError: the array is not such a frame.
        """
        return self.detect([frame_bgr])[0]

    def detect(self, frames_bgr: Iterable[FrameArray | None]) -> list[Detections]:
        """Returns the detections of each frame, with one network call for all of them.

        If frames are cut into tiles, each has its own calls.

        Args:
            frames_bgr: (H, W, 3) uint8 BGR each, of any sizes: a list, one array (N, H, W, 3), or
                a generator, of which `AT_ONCE` at a time share a call and are kept.

        Raises:
            UsageError: an array is not such a frame, or it is one frame alone.
        """
        if not isinstance(frames_bgr, Iterable) or getattr(frames_bgr, "ndim", 4) != 4:
            what = getattr(frames_bgr, "shape", type(frames_bgr).__name__)
            raise UsageError(f"frames {what}: must be several; for one, call detector(frame)")
        frames = map(require_frame, frames_bgr)
        if self.tiles:
            return [self.found_in(self._part_outputs(frame)) for frame in frames]
        at_once = max(len(frames_bgr), 1) if isinstance(frames_bgr, Sized) else AT_ONCE
        found: list[Detections] = []
        while some := list(islice(frames, at_once)):
            letterboxes = [self.letterbox(frame) for frame in some]
            canvases = np.empty((len(some), *self.manifest.input.size_hw, 3), np.uint8)
            for letterbox, frame, canvas in zip(letterboxes, some, canvases, strict=True):
                letterbox.apply(frame, out=canvas)
            tensors = zip(letterboxes, canvases, *self.session.run(canvases), strict=True)
            found += [self.found_in(Outputs(*each)) for each in tensors]
        return found

    def outputs(self, frame_bgr: FrameArray | None, *, canvas: ImageArray | None = None) -> Outputs:
        """Returns what the network computes for a frame, before any threshold; one inference.

        The frame is not cut: `part_outputs` has the tiles too.

        Args:
            frame_bgr: (H, W, 3) uint8 BGR, any size.
            canvas: (canvas H, canvas W, 3) uint8, used instead of the letterboxed frame.

        Raises:
            UsageError: the array is not such a frame.
        """
        letterbox = self.letterbox(frame_bgr)
        if canvas is None:
            canvas = letterbox.apply(require_frame(frame_bgr))
        boxes, scores = self.session.run(canvas[np.newaxis])
        return Outputs(letterbox, canvas, boxes[0], scores[0])

    def part_outputs(self, frame_bgr: FrameArray | None) -> list[Outputs]:
        """Returns what the network computes for the whole frame, and for each of its tiles.

        Args:
            frame_bgr: (H, W, 3) uint8 BGR, any size.

        Raises:
            UsageError: the array is not such a frame.
        """
        return list(self._part_outputs(require_frame(frame_bgr)))

    def found_in(
        self, outputs: Outputs | Iterable[Outputs], rule: DetectionRule | None = None
    ) -> Detections:
        """Returns the detections in a frame's outputs.

        Args:
            outputs: of `Detector.outputs`, or all of `Detector.part_outputs`.
            rule: thresholds and limits; None: the detector's.

        Raises:
            UsageError: the rule is looser than the graph's, or there are no outputs.
        """
        asked = self.rule if rule is None else rule
        remaining = self._remaining_rule(asked)
        if isinstance(outputs, Outputs):
            return self._decode(outputs, remaining)
        found, parts, borders = [], [], []
        for each in outputs:
            height, width = each.letterbox.frame_hw
            found.append(self._decode(each, remaining))
            parts.append((0, 0, width, height) if each.part_xyxy is None else each.part_xyxy)
            borders.append(border_pixels(each.letterbox))
        if not found:
            raise UsageError("outputs: must be of one part of a frame at least")
        merged = found[0] if len(found) == 1 else merge_parts(found, parts, borders, asked)
        return replace(
            merged, tiles=self.tiles.layout if self.tiles else None, inferences=len(found)
        )

    def candidates(
        self, frame_bgr: FrameArray | Outputs | None, score_threshold: float
    ) -> Detections:
        """Returns the detections before suppression: every class of every cell, from a score up.

        If the graph suppresses, only what it kept.

        Args:
            frame_bgr: (H, W, 3) uint8 BGR, any size; or its `outputs`, which costs no inference.
            score_threshold: the least score kept, in [0, 1].

        Returns:
            Best score first, at most `spotlet.postprocess.MAX_CANDIDATES`.

        Raises:
            UsageError: the array is not such a frame, or the threshold is out of range.
        """
        _require_score(score_threshold)
        outputs = frame_bgr if isinstance(frame_bgr, Outputs) else self.outputs(frame_bgr)
        rule = DetectionRule(
            score_threshold=score_threshold,
            iou_threshold=1.0,
            max_detections=max(outputs.scores.size, 1),
            every_class=True,
        )
        return self._decode(outputs, rule)

    def letterbox(self, frame_bgr: FrameArray | None) -> Letterbox:
        """Returns how a frame lies on the network's canvas.

        Args:
            frame_bgr: (H, W, 3) uint8 BGR, any size.

        Raises:
            UsageError: the array is not such a frame.
        """
        height, width = require_frame(frame_bgr).shape[:2]
        return self.manifest.input.letterbox((height, width))

    def _part_outputs(self, frame: ImageArray) -> Iterator[Outputs]:
        """Yields `part_outputs`, of which few are in memory at once."""
        size_hw = self.manifest.input.size_hw
        parts = self.tiles.parts((frame.shape[0], frame.shape[1]), size_hw)
        # A processor takes as long for a batch as for its canvases one by one.
        at_once = 1 if self.session.provider == CPU_PROVIDER else AT_ONCE
        for start in range(0, len(parts), at_once):
            some = parts[start : start + at_once]
            canvases = np.empty((len(some), *size_hw, 3), np.uint8)
            letterboxes = []
            for (left, top, right, bottom), canvas in zip(some, canvases, strict=True):
                letterbox = self.manifest.input.letterbox((bottom - top, right - left))
                letterbox.apply(frame[top:bottom, left:right], out=canvas)
                letterboxes.append(letterbox)
            tensors = zip(letterboxes, canvases, *self.session.run(canvases), some, strict=True)
            yield from (Outputs(*each) for each in tensors)

    def _decode(self, outputs: Outputs, rule: DetectionRule) -> Detections:
        boxes, scores, letterbox = outputs.boxes, outputs.scores, outputs.letterbox
        found = detections_from_outputs(boxes, scores, letterbox, self.class_names, rule)
        if outputs.part_xyxy is not None:
            found = moved(found, outputs.part_xyxy)
        return replace(found, model=self.identity)

    def _remaining_rule(self, rule: DetectionRule) -> DetectionRule:
        """Returns the part of a rule that the graph has not applied.

        Raises:
            UsageError: the graph has dropped what the rule would keep.
        """
        done = self.manifest.detection
        if self.manifest.output.form == "cells":
            return rule
        for name, in_graph, asked, looser in (
            ("score threshold", done.score_threshold, rule.score_threshold, -1),
            ("IoU threshold", done.iou_threshold, rule.iou_threshold, 1),
            ("max detections", done.max_detections, rule.max_detections, 1),
            ("every class", done.every_class, rule.every_class, 1),
        ):
            if (asked - in_graph) * looser > 0:
                raise UsageError(
                    f"{name} {asked}: the graph of {self.session.path.name} has already "
                    f"suppressed with {in_graph}; use the model's file without suppression"
                )
        # Suppressing again at the graph's threshold could only drop what it kept.
        return (
            replace(rule, iou_threshold=1.0) if rule.iou_threshold == done.iou_threshold else rule
        )


def _require_score(score_threshold: float) -> None:
    if not 0 <= score_threshold <= 1:
        raise UsageError(f"score threshold {score_threshold}: must be from 0 to 1")
