"""`spotlet demo`: the bundled model on the bundled clip, as a video and figures."""

import argparse
import contextlib
import importlib.util
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from spotlet.annotate.detections import contact_sheet, draw_detections
from spotlet.commands.options import (
    add_session_arguments,
    add_variant_argument,
    print_provider,
    session_settings,
)
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import InputError
from spotlet.evaluation import Truth, average_precision
from spotlet.image_files.files import write_image
from spotlet.letterbox import ImageArray
from spotlet.model.package import locate_model
from spotlet.session import SessionSettings
from spotlet.sinks import VideoSink
from spotlet.streams import open_stream
from spotlet.text.terminal import Progress, table

MODEL_NAME = "garments"
"""The bundled model that the clip is for."""

MEASURE_SCORE = 0.01
"""AP integrates over the scores, so it includes detections far below those drawn."""

SHEET_COLUMNS, SHEET_ROWS, SHEET_CELL_HW = 4, 3, (300, 400)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--out", default="out", metavar="DIR", help="folder for demo.mp4 and demo.png [%(default)s]"
    )
    parser.add_argument(
        "--model",
        default=MODEL_NAME,
        help="another model with the clip's classes [%(default)s]",
    )
    add_variant_argument(parser)
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the bundled demo to a folder, and prints counts and average precision.

    Raises:
        InputError: the installation has no demo, or the folder cannot be written.
    """
    folder = Path(str(resources.files("spotlet_models"))) / "demo"
    path = locate_model(args.model, args.variant)
    play(path, folder, Path(args.out), session_settings(args, path))
    return 0


def play(
    model: str | Path,
    folder: Path,
    out: Path,
    settings: SessionSettings,
) -> None:
    """Writes the annotated clip and a contact sheet, prints counts, AP and frames a second.

    Args:
        model: a bundled name, a package folder, or an `.onnx` file.
        folder: holds `clip.mp4` and `truth.json`.
        out: folder to write `demo.mp4` and `demo.png` to.
        settings: threads and execution provider.

    Raises:
        InputError: there is no such model or demo, or `out` cannot be written.
    """
    truths, class_names = _read_truth(folder / "truth.json")
    detector = Detector(model, session=settings)
    print_provider(detector)
    measured = replace(detector.rule, score_threshold=MEASURE_SCORE, every_class=True)
    if class_names != detector.class_names:
        raise InputError(f"{folder}: the truth's classes differ from those of the model {model}")
    found: list[Detections] = []
    candidates: list[Detections] = []
    pictures: list[ImageArray] = []
    seconds = 0.0
    shown = {round(n) for n in np.linspace(0, len(truths) - 1, SHEET_COLUMNS * SHEET_ROWS)}
    with open_stream(folder / "clip.mp4") as stream:
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
    _report(truths, found, candidates, class_names)
    print(f"{len(found)} frames, {len(found) / max(seconds, 1e-9):.0f} detected a second")
    print(f"wrote {video.written}\nwrote {out / 'demo.png'}")


def _read_truth(path: Path) -> tuple[list[Truth], tuple[str, ...]]:
    """Returns the true objects of each frame of the clip, and the class names."""
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
