"""Makes the demo's clip and its truth: the box of each garment in each frame.

    python -m benchmarks.shipped_data.demo_clip

writes the shipped files again, to `models/spotlet_models/demo`: held-out garments on held-out
photographs, one fixed seed. The garments are drawn at random from those that a person would name
as their label does. Needs all of Fashion-MNIST.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from benchmarks.shipped_data.motion import Track, plan_tracks
from benchmarks.shipped_data.typical import is_typical

from spotlet.atomic import atomic_file
from spotlet.boxes import FloatArray
from spotlet.errors import OutputError, SpotletError, UsageError
from spotlet.letterbox import ImageArray
from spotlet_training.scenes.bundled import SAMPLE_FOLDER, load_photograph
from spotlet_training.scenes.cutout import cut_out, place
from spotlet_training.scenes.dataset import CLIP_OBJECTS
from spotlet_training.scenes.fashion import CLASS_NAMES, FashionObjects, load_fashion
from spotlet_training.scenes.paint import SHADOW_MARGIN, Ownership, paint

TRUTH_SCHEMA = 1

SHOTS = ("coffee", "chelsea", "rocket")
"""The photographs behind, in order."""

ROUNDS = 4
"""Garments of each class in the clip."""

LEAST_VISIBLE = 0.5
"""A garment of which less is visible is ignored: it may be found or not."""

LEAST_TRACE = 0.05
"""A garment of which less is visible is left out."""

ZOOM = (0.88, 0.8)
"""Share of the photograph that the frame shows at a shot's start and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings:
    """The clip's settings.

    Attributes:
        size_hw: of a frame, pixels.
        frames: in all.
        frames_per_second: of the video.
        seed: of garments, colours and tracks.

    Raises:
        UsageError: there are fewer frames than shots, or a number is out of range.
    """

    size_hw: tuple[int, int] = (480, 640)
    frames: int = 250
    frames_per_second: float = 25.0
    seed: int = 7

    def __post_init__(self) -> None:
        if self.frames < len(SHOTS) or self.frames_per_second <= 0 or self.seed < 0:
            raise UsageError(
                f"clip of {self.frames} frames at {self.frames_per_second} per second with seed "
                f"{self.seed}: at least {len(SHOTS)} frames, a rate over 0, a seed from 0"
            )


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """One frame and its visible garments.

    Attributes:
        image_bgr: (H, W, 3) uint8.
        boxes_xyxy: (N, 4) float32, pixels of the frame, tight about the visible pixels.
        class_ids: (N,) int64.
        ignored: (N,) bool: too little is visible.
    """

    image_bgr: ImageArray
    boxes_xyxy: FloatArray
    class_ids: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]


def render_clip(
    objects: FashionObjects, photographs: Sequence[ImageArray], settings: ClipSettings
) -> Iterator[ClipFrame]:
    """Yields the frames of a clip, one shot for each photograph.

    Args:
        objects: to choose from, at least one of each class; each class is chosen equally often.
        photographs: (H, W, 3) uint8 BGR each.
        settings: what is rendered.
    """
    rng = np.random.default_rng(settings.seed)
    chosen = [
        (int(rng.choice(objects.by_class[class_id])), class_id)
        for _ in range(ROUNDS)
        for class_id in rng.permutation(len(CLASS_NAMES)).tolist()
    ]
    shots = len(photographs)
    for shot, photograph in enumerate(photographs):
        count = settings.frames * (shot + 1) // shots - settings.frames * shot // shots
        actors = chosen[len(chosen) * shot // shots : len(chosen) * (shot + 1) // shots]
        seconds = count / settings.frames_per_second
        tracks = plan_tracks(rng, actors, settings.size_hw, seconds)
        direction = 1 if rng.random() < 0.5 else -1
        for number in range(count):
            canvas = _pan(photograph, number / count, direction, settings.size_hw)
            yield _act(canvas, objects, tracks, number / settings.frames_per_second)


def _pan(
    photograph: ImageArray, progress: float, direction: int, size_hw: tuple[int, int]
) -> ImageArray:
    """Returns the part of a photograph in view, moving at sub-pixel steps."""
    (height, width), (rows, columns) = photograph.shape[:2], size_hw
    share = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * progress
    scale = max(rows / height, columns / width) / share
    room_x, room_y = width - columns / scale, height - rows / scale
    left = room_x * (0.5 + direction * (progress - 0.5) * 0.8)
    top = room_y * (0.5 - direction * (progress - 0.5) * 0.4)
    matrix = np.array(
        [
            [scale, 0, scale * (0.5 - left) - 0.5],
            [0, scale, scale * (0.5 - top) - 0.5],
        ]
    )
    seen = cv2.warpAffine(
        photograph, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return cv2.GaussianBlur(seen, (0, 0), 1.1).astype(np.uint8)


def _act(
    canvas: ImageArray, objects: FashionObjects, tracks: Sequence[Track], seconds: float
) -> ClipFrame:
    """Paints the garments onto the canvas and returns the frame."""
    owner = Ownership((canvas.shape[0], canvas.shape[1]))
    for track in tracks:
        cutout = cut_out(objects.photos[track.object_index], track.class_id)
        layer = place(cutout, track.pose(seconds, cutout.long_side), SHADOW_MARGIN)
        paint(canvas, layer, track.dye)
        owner.add(layer)
    share = owner.visible_share()
    seen, ignored = share >= LEAST_TRACE, share < LEAST_VISIBLE
    class_ids = np.array([track.class_id for track in tracks], np.int64)
    return ClipFrame(canvas, owner.boxes()[seen], class_ids[seen], ignored[seen])


def write_clip(
    folder: Path, frames: Iterator[ClipFrame], settings: ClipSettings
) -> dict[str, object]:
    """Writes `clip.mp4` and `truth.json` into a folder, each whole; returns the truth.

    Args:
        folder: made if necessary.
        frames: of the size and number in `settings`.
        settings: of the clip.

    Raises:
        OutputError: the folder cannot be written, or this OpenCV cannot encode.
    """
    truth: list[dict[str, object]] = []
    height, width = settings.size_hw
    with atomic_file(folder / "clip.mp4") as video, atomic_file(folder / "truth.json") as text:
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(video), code, settings.frames_per_second, (width, height))
        try:
            if not writer.isOpened():
                raise OutputError(f"{folder / 'clip.mp4'}: this OpenCV cannot write mp4v video")
            for number, frame in enumerate(frames):
                writer.write(frame.image_bgr)
                boxes = [[round(side, 1) for side in box] for box in frame.boxes_xyxy.tolist()]
                truth.append(
                    {
                        "frame": number,
                        "boxes": boxes,
                        "class_ids": frame.class_ids.tolist(),
                        "ignored": frame.ignored.tolist(),
                    }
                )
        finally:
            writer.release()
        content: dict[str, object] = {
            "schema": TRUTH_SCHEMA,
            "classes": list(CLASS_NAMES),
            "frames": truth,
        }
        text.write_text(json.dumps(content, separators=(",", ":")) + "\n")
    return content


def make_clip(folder: Path, settings: ClipSettings = ClipSettings()) -> None:
    """Writes the demo's clip, its truth and its licences into a folder.

    Raises:
        DatasetError: Fashion-MNIST is not installed and cannot be fetched.
        OutputError: the folder cannot be written.
    """
    held_out = load_fashion("t10k").select(CLIP_OBJECTS)
    objects = held_out.select(np.flatnonzero(is_typical(held_out, load_fashion("train"))))
    photographs = [load_photograph(name) for name in SHOTS]
    write_clip(folder, render_clip(objects, photographs, settings), settings)
    with atomic_file(folder / "LICENSES.md") as licences:
        shutil.copyfile(SAMPLE_FOLDER / "LICENSES.md", licences)


def main() -> int:
    """Makes the clip and returns the exit code."""
    parser = argparse.ArgumentParser(description="Make the demo's clip and its truth.")
    default = Path(str(resources.files("spotlet_models"))) / "demo"
    parser.add_argument("--out", type=Path, default=default, help="folder [%(default)s]")
    parser.add_argument("--seed", type=int, default=ClipSettings().seed, help="[%(default)s]")
    args = parser.parse_args()
    try:
        make_clip(args.out, ClipSettings(seed=args.seed))
    except SpotletError as error:
        print(f"clip: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
