"""The usual loop around a detector, for several engines; runs in a peer's environment.

    python loops.py ENGINE MODEL CLIP --side S --score T --iou T [--threads N]

ENGINE: `onnxruntime`, `opencv` (its DNN module), `openvino` (with N threads in float32), or
`supervision`: onnxruntime with that package's frames, detections, suppression and annotators (it
draws; the picture is discarded). MODEL has the layout of `graphs.in_peer_layout`. Prints a line per
frame. It imports nothing from Spotlet, and only the requested engine.
"""

import argparse
import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

GREY = (114, 114, 114)

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
ClassIds = npt.NDArray[np.int32]
Infer = Callable[[Floats], Floats]
"""(1, 3, H, W) in; (1, 4 + C, K) out."""

CountObjects = Callable[[Image, Floats, Floats, ClassIds, float], int]
"""Frame, boxes (N, 4) xyxy, scores and classes (N,), IoU in; the rest after suppression out."""


def main() -> None:
    """Detects in every frame of the clip."""
    parser = argparse.ArgumentParser(description="a detector's loop")
    parser.add_argument("engine", choices=tuple(ENGINES))
    parser.add_argument("model")
    parser.add_argument("clip")
    parser.add_argument("--side", type=int, required=True, help="of the square canvas, pixels")
    parser.add_argument("--score", type=float, required=True)
    parser.add_argument("--iou", type=float, required=True)
    parser.add_argument("--threads", type=int, default=0, help="0: the engine's own choice")
    args = parser.parse_args()
    infer = ENGINES[args.engine](args.model, args.threads)
    whole = args.engine == "supervision"
    count_objects: CountObjects = _annotator() if whole else _counted
    frames = _supervision_frames if whole else _frames
    for number, frame in enumerate(frames(args.clip)):
        boxes, scores, class_ids = _candidates(frame, infer, args.side, args.score)
        found = count_objects(frame, boxes, scores, class_ids, args.iou)
        print(f"frame {number}: {found} objects", flush=True)


def _frames(clip: str) -> Iterator[Image]:
    capture = cv2.VideoCapture(clip)
    while (read := capture.read())[0]:
        yield np.asarray(read[1], np.uint8)


def _candidates(
    frame: Image, infer: Infer, side: int, least_score: float
) -> tuple[Floats, Floats, ClassIds]:
    """Returns boxes (N, 4) xyxy in pixels of the frame, scores and classes over a threshold."""
    height, width = frame.shape[:2]
    scale = min(side / height, side / width)
    inner_height, inner_width = round(height * scale), round(width * scale)
    top, left = (side - inner_height) // 2, (side - inner_width) // 2
    canvas = cv2.copyMakeBorder(
        cv2.resize(frame, (inner_width, inner_height)),
        *(top, side - inner_height - top, left, side - inner_width - left),
        cv2.BORDER_CONSTANT,
        value=GREY,
    )
    rows = infer(np.asarray(cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)))[0]
    best = rows[4:].max(axis=0)
    cells = np.flatnonzero(best >= least_score)
    centres, sides = rows[:2, cells].T, rows[2:4, cells].T
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    boxes -= np.array([left, top, left, top], np.float32)
    boxes /= scale
    return boxes, best[cells], rows[4:, cells].argmax(axis=0).astype(np.int32)


def _counted(frame: Image, boxes: Floats, scores: Floats, class_ids: ClassIds, iou: float) -> int:
    """Returns the number of boxes after suppression within each class."""
    if len(scores) == 0:
        return 0
    corners_and_sides: Any = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    nms: Any = cv2.dnn.NMSBoxesBatched
    return len(nms(corners_and_sides.astype(np.float64), scores, class_ids, 0.0, iou))


def _supervision_frames(clip: str) -> Iterator[Image]:
    frames: Iterator[Image] = importlib.import_module("supervision").get_video_frames_generator(
        clip
    )
    return frames


def _annotator() -> CountObjects:
    supervision = importlib.import_module("supervision")
    box_annotator, label_annotator = supervision.BoxAnnotator(), supervision.LabelAnnotator()

    def annotate(
        frame: Image, boxes: Floats, scores: Floats, class_ids: ClassIds, iou: float
    ) -> int:
        found = supervision.Detections(xyxy=boxes, confidence=scores, class_id=class_ids)
        found = found.with_nms(threshold=iou)
        labels = [
            f"{class_id} {score:.2f}"
            for class_id, score in zip(found.class_id, found.confidence, strict=True)
        ]
        picture = box_annotator.annotate(frame.copy(), found)
        label_annotator.annotate(picture, found, labels)
        return len(found)

    return annotate


def _onnxruntime(model: str, threads: int) -> Infer:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    ort = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda blob: np.asarray(session.run(None, {name: blob})[0])


def _opencv(model: str, threads: int) -> Infer:
    if threads:
        cv2.setNumThreads(threads)
    network: Any = cv2.dnn.readNetFromONNX(model)

    def infer(blob: Floats) -> Floats:
        network.setInput(blob)
        return np.asarray(network.forward())

    return infer


def _openvino(model: str, threads: int) -> Infer:
    openvino = importlib.import_module("openvino")
    settings: dict[str, Any] = {}
    if threads:
        # By default it uses bfloat16 if the processor can: not the arithmetic of the others.
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    return lambda blob: np.asarray(request.infer([blob])[0])


ENGINES: dict[str, Callable[[str, int], Infer]] = {
    "onnxruntime": _onnxruntime,
    "opencv": _opencv,
    "openvino": _openvino,
    "supervision": _onnxruntime,
}


if __name__ == "__main__":
    main()
