"""`spotlet demo` on the clip of garments, whose boxes are known in every frame."""

import contextlib
import importlib.util
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spotlet.annotate.detections import contact_sheet, draw_detections
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import InputError
from spotlet.evaluation import Truth, average_precision
from spotlet.image_files.files import write_image
from spotlet.letterbox import ImageArray
from spotlet.sinks import VideoSink
from spotlet.streams import open_stream
from spotlet.text.terminal import Progress, table

MEASURE_SCORE = 0.01
"""AP integrates over the scores, so it includes detections far below those drawn."""

SHEET_COLUMNS, SHEET_ROWS, SHEET_CELL_HW = 4, 3, (300, 400)


def measure_clip(detector: Detector, clip: Path, truths: Sequence[Truth], out: Path) -> None:
    """Writes the annotated clip and a contact sheet, prints counts, AP and frames a second.

    Args:
        detector: whose classes are those of the truth.
        clip: a video.
        truths: of its frames.
        out: folder to write `demo.mp4` and `demo.png` to.

    Raises:
        InputError: the clip cannot be read, or `out` cannot be written.
    """
    measured = replace(detector.rule, score_threshold=MEASURE_SCORE, every_class=True)
    found: list[Detections] = []
    candidates: list[Detections] = []
    pictures: list[ImageArray] = []
    seconds = 0.0
    shown = {round(n) for n in np.linspace(0, len(truths) - 1, SHEET_COLUMNS * SHEET_ROWS)}
    with open_stream(clip) as stream:
        video = VideoSink(out / "demo.mp4", stream.fps)
        with (
            contextlib.closing(video),
            Progress("demo", total=stream.frame_count, unit="frames") as progress,
        ):
            for frame in stream:
                started = time.perf_counter()
                outputs = detector.outputs(frame.image)
                detections = detector.found_in(outputs)
                seconds += time.perf_counter() - started
                found.append(detections)
                candidates.append(detector.found_in(outputs, measured))
                picture = draw_detections(frame.image, detections)
                video.write_image(picture)
                if frame.index in shown:
                    pictures.append(picture)
                progress.advance()
    write_image(out / "demo.png", contact_sheet(pictures, SHEET_COLUMNS, SHEET_CELL_HW))
    _report(truths, found, candidates, detector.class_names)
    print(f"{len(found)} frames, {len(found) / max(seconds, 1e-9):.0f} detected a second")
    print(f"wrote {video.written}\nwrote {out / 'demo.png'}")


def read_truth(path: Path) -> tuple[list[Truth], tuple[str, ...]]:
    """Returns the true objects of each frame of the clip, and the class names.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: this installation has no demo; install spotlet again") from error
    truths = [
        Truth(
            np.array(frame["boxes"], np.float32).reshape(-1, 4),
            np.array(frame["class_ids"], np.int64),
            np.array(frame["ignored"], np.bool_),
        )
        for frame in content["frames"]
    ]
    return truths, tuple(content["classes"])


def _report(
    truths: Sequence[Truth],
    found: Sequence[Detections],
    candidates: Sequence[Detections],
    class_names: tuple[str, ...],
) -> None:
    """Prints the counts of each class and, if it can be measured, the average precision."""
    true_counts = Counter(int(each) for truth in truths for each in truth.class_ids[~truth.ignored])
    found_counts = Counter(int(each) for detections in found for each in detections.class_ids)
    rows: list[list[object]] = [
        [name, true_counts[class_id], found_counts[class_id]]
        for class_id, name in enumerate(class_names)
    ]
    header = ["class", "there", "found"]
    measurable = importlib.util.find_spec("faster_coco_eval") is not None
    if measurable:
        header += ["AP50", "AP"]
        rows.append(["all", true_counts.total(), found_counts.total()])
        accuracy = average_precision(truths, candidates, class_names)
        for row, (_, ap50, ap) in zip(rows, accuracy.rows(), strict=True):
            row += [ap50, ap]
    print(table(rows, header))
    if not measurable:
        print('for AP against the truth: pip install "spotlet[evaluation]"')
