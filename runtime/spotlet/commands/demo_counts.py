"""`spotlet demo` on the street clips: what crosses a line, beside the count by hand."""

import contextlib
import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spotlet.annotate.detections import contact_sheet, draw_detections
from spotlet.atomic import atomic_file
from spotlet.counting.rules import CountingRules, Shape, parse_line
from spotlet.counts import LineCount
from spotlet.detections import Detections
from spotlet.errors import InputError
from spotlet.image_files.files import write_image
from spotlet.letterbox import ImageArray
from spotlet.running import RunCallbacks, RunSettings, RunSummary, run
from spotlet.sinks import VideoSink
from spotlet.streams import Frame
from spotlet.text.terminal import Progress, table

VIDEO_FPS = 30.0
"""No clip has more frames a second."""

PAUSE_SECONDS = 1.0
"""How long the video shows a clip's last picture, with the final counts."""

SHEET_CELL_HW = (300, 533)
SHEET_COLUMNS = 3
"""Pictures of each clip in the sheet."""

TABLE_HEADER = ("clip", "frame", "seconds", "class", "track", "direction")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetClip:
    """A clip, its line, and what crosses it.

    Attributes:
        path: of the video.
        frames: how many it has.
        line: where objects are counted.
        class_name: of the objects that cross it.
        entered: how many of them go `in`, counted by hand.
        left: how many go `out`.
        moments: numbers of the frames to show in the sheet.
    """

    path: Path
    frames: int
    line: Shape
    class_name: str
    entered: int
    left: int
    moments: tuple[int, ...]


def read_clips(folder: Path) -> tuple[StreetClip, ...]:
    """Returns the clips that the `counts.json` of a folder describes.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    try:
        content: dict[str, Any] = json.loads((folder / "counts.json").read_text("utf-8"))
        return tuple(_clip(folder, each) for each in content["clips"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{folder}: this installation has no demo; install spotlet again"
        ) from error


def _clip(folder: Path, record: dict[str, Any]) -> StreetClip:
    ways = Counter(crossing["direction"] for crossing in record["crossings"])
    numbers = [crossing["frame"] for crossing in record["crossings"]]
    last = len(numbers) - 1
    return StreetClip(
        path=folder / record["file"],
        frames=sum(after - first for first, after in record["kept"]),
        line=parse_line(record["line"]),
        class_name=record["class"],
        entered=ways["in"],
        left=ways["out"],
        moments=tuple(
            numbers[last * place // (SHEET_COLUMNS - 1)] for place in range(SHEET_COLUMNS)
        ),
    )


def count_clips(settings: RunSettings, clips: Sequence[StreetClip], out: Path) -> None:
    """Detects, tracks and counts in each clip; writes a video, a sheet and a table, prints another.

    Args:
        settings: the model and how it runs; the clips become its sources.
        clips: at least one.
        out: folder to write `demo.mp4`, `demo.png` and `demo.csv` to.

    Raises:
        InputError: a clip or the model cannot be read, or `out` cannot be written.
    """
    player = _Player(VideoSink(out / "demo.mp4", VIDEO_FPS, real_time=True))
    rows: list[tuple[object, ...]] = []
    with (
        contextlib.closing(player.video),
        Progress("demo", total=sum(clip.frames for clip in clips), unit="frames") as progress,
    ):
        for clip in clips:
            summary = player.play(settings, clip, progress)
            if summary.frames != clip.frames:
                raise InputError(
                    f"{clip.path}: {summary.frames} of {clip.frames} frames could be read; install "
                    "spotlet again"
                )
            ((count,),) = (counts.lines for counts in summary.counts.values())
            rate = round(summary.frames / max(summary.seconds, 1e-9))
            rows += compared(clip, count, rate)
    write_image(out / "demo.png", contact_sheet(player.pictures, SHEET_COLUMNS, SHEET_CELL_HW))
    with (
        atomic_file(out / "demo.csv") as path,
        path.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file).writerows([TABLE_HEADER, *player.crossings])
    print(table(rows, ("clip", "class", "in", "by hand", "out", "by hand", "frames/s")))
    print(f"wrote {player.video.written}\nwrote {out / 'demo.png'}")
    print(f"wrote {out / 'demo.csv'} ({len(player.crossings)} crossings)")


def compared(clip: StreetClip, count: LineCount, rate: int) -> list[tuple[object, ...]]:
    """Returns a row of the printed table for each class that crossed a clip's line or should have.

    Args:
        clip: with the counts by hand.
        count: of its line, by the detector.
        rate: frames a second.
    """
    others = sorted({*count.entered, *count.left} - {clip.class_name})
    by_hand = {clip.class_name: (clip.entered, clip.left)}
    rows: list[tuple[object, ...]] = []
    for name in (clip.class_name, *others):
        entered, left = by_hand.get(name, (0, 0))
        counted = count.entered.get(name, 0), count.left.get(name, 0)
        rows.append((clip.path.stem, name, counted[0], entered, counted[1], left, rate))
    return rows


class _Player:
    """Plays clips one after the other into a video.

    Attributes:
        video: which the caller closes.
        pictures: of the moments, (H, W, 3) uint8 BGR each.
        crossings: a row of `TABLE_HEADER` for each object that crossed a line.
    """

    def __init__(self, video: VideoSink) -> None:
        self.video = video
        self.pictures: list[ImageArray] = []
        self.crossings: list[tuple[object, ...]] = []
        self._shown_seconds = -PAUSE_SECONDS

    def play(self, settings: RunSettings, clip: StreetClip, progress: Progress) -> RunSummary:
        """Returns what the run on a clip did."""
        start_seconds = self._shown_seconds + PAUSE_SECONDS

        def take(frame: Frame, detections: Detections) -> None:
            seconds = frame.pts_seconds or 0.0
            self._shown_seconds = start_seconds + seconds
            self.video.write(replace(frame, pts_seconds=self._shown_seconds), detections)
            if times := clip.moments.count(frame.index):
                self.pictures += [draw_detections(frame.image, detections)] * times
            for each in detections.counts.crossings if detections.counts else ():
                place = clip.path.stem, frame.index, f"{seconds:.2f}"
                self.crossings.append((*place, each.name, each.track_id, each.direction))
            progress.advance()

        counting = CountingRules(lines=(clip.line,))
        settings = replace(settings, sources=[clip.path], counting=counting)
        return run(settings, RunCallbacks(on_frame=take))
