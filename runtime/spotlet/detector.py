"""The detector: a frame in, detections out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.letterbox import FrameArray, Letterbox, require_frame
from spotlet.manifest import DetectionRule, Manifest
from spotlet.model.package import locate_model
from spotlet.postprocess import detections_from_outputs
from spotlet.session import ModelSession, SessionSettings


class Detector:
    """Localizes objects in frames of any size. One instance serves any number of threads.

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
        session: SessionSettings = SessionSettings(),  # noqa: B008
    ) -> None:
        """Loads a model.

        A file with suppression in its graph has dropped, by its manifest, what it dropped: of it a
        rule may be made stricter only.

        Args:
            model: a bundled name, a package folder, or an `.onnx` file.
            variant: which file of a package, one of `spotlet.model.VARIANTS`; `fp32` where None.
            score_threshold: the least score kept, in [0, 1]; None takes the manifest's.
            iou_threshold: overlap over which NMS drops the weaker box of a class, in (0, 1];
                None takes the manifest's.
            max_detections: the most that one frame gives; None takes the manifest's.
            every_class: whether one place may be several classes, as COCO's AP wants it, or its
                best class only; None takes the manifest's.
            session: threads and execution provider.

        Raises:
            ModelFileError: there is no such model, or its file cannot be used.
            UsageError: a threshold is out of its range, or less strict than what a graph has
                suppressed already, or there can be no such variant.
        """
        if score_threshold is not None and not 0 <= score_threshold <= 1:
            raise UsageError(f"score threshold {score_threshold}: must be from 0 to 1")
        if iou_threshold is not None and not 0 < iou_threshold <= 1:
            raise UsageError(f"IoU threshold {iou_threshold}: must be over 0 and at most 1")
        if max_detections is not None and (type(max_detections) is not int or max_detections < 1):
            raise UsageError(f"max detections {max_detections}: must be a whole number from 1")
        self.session = ModelSession(locate_model(model, variant), session)
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
        if self.manifest.output.form == "detections":
            self._require_stricter(self.manifest.detection)

    @property
    def manifest(self) -> Manifest:
        """What the model says of itself."""
        return self.session.manifest

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes; the index is the class id."""
        return self.manifest.classes

    def __call__(self, frame_bgr: FrameArray | None) -> Detections:
        """Returns what is in a frame.

        Args:
            frame_bgr: (H, W, 3) uint8 BGR, any size, as OpenCV gives it. `cv2.imread` may give
                None, which is refused as what it is.

        Returns:
            Boxes in pixels of this frame, clipped to it; best score first.

        Raises:
            UsageError: the array is not such a frame.
        """
        return self.detect([frame_bgr])[0]

    def detect(self, frames_bgr: Sequence[FrameArray | None]) -> list[Detections]:
        """Returns what is in each frame, with one call of the network for all of them.

        Args:
            frames_bgr: (H, W, 3) uint8 BGR each, of any sizes.

        Raises:
            UsageError: an array is not such a frame.
        """
        if not frames_bgr:
            return []
        frames = [require_frame(frame) for frame in frames_bgr]
        boxes_of = [self.letterbox(frame) for frame in frames]
        canvases = np.empty((len(frames), *self.manifest.input.size_hw, 3), np.uint8)
        for letterbox, frame, canvas in zip(boxes_of, frames, canvases, strict=True):
            letterbox.apply(frame, out=canvas)
        boxes, scores = self.session.run(canvases)
        return [
            self.found_in(boxes[n], scores[n], letterbox) for n, letterbox in enumerate(boxes_of)
        ]

    def found_in(self, boxes: FloatArray, scores: FloatArray, letterbox: Letterbox) -> Detections:
        """Returns what the session's outputs for one frame say.

        Args:
            boxes: (K, 4) of `ModelSession.run`.
            scores: (K, C) of it.
            letterbox: how the frame lay on the canvas.
        """
        rule, done = self.rule, self.manifest.detection
        if self.manifest.output.form == "detections" and rule.iou_threshold == done.iou_threshold:
            # The graph has suppressed already: a second time would only hide what it left.
            rule = replace(rule, iou_threshold=1.0)
        return detections_from_outputs(boxes, scores, letterbox, self.class_names, rule)

    def _require_stricter(self, done: DetectionRule) -> None:
        """Raises UsageError where the graph has dropped already what the rule would keep."""
        for name, in_graph, asked, looser in (
            ("score threshold", done.score_threshold, self.rule.score_threshold, -1),
            ("IoU threshold", done.iou_threshold, self.rule.iou_threshold, 1),
            ("max detections", done.max_detections, self.rule.max_detections, 1),
            ("every class", done.every_class, self.rule.every_class, 1),
        ):
            if (asked - in_graph) * looser > 0:
                raise UsageError(
                    f"{name} {asked}: the graph of {self.session.path.name} has suppressed with "
                    f"{in_graph} already; take the model's other file"
                )

    def letterbox(self, frame_bgr: FrameArray | None) -> Letterbox:
        """Returns how a frame lies on the network's canvas.

        Args:
            frame_bgr: (H, W, 3) uint8 BGR, any size.

        Raises:
            UsageError: the array is not such a frame.
        """
        height, width = require_frame(frame_bgr).shape[:2]
        return self.manifest.input.letterbox((height, width))
