"""`spotlet run`: detect in images, a video, a camera or a URL."""

import argparse
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from spotlet.commands.options import add_model_arguments, add_session_arguments, session_settings
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import SourceError, UsageError
from spotlet.session import full_provider_name
from spotlet.sinks import NdjsonSink, Sink, WindowClosed, WindowSink, refuse_source, save_sink
from spotlet.streams import Frame, Stream, open_stream
from spotlet.terminal import Progress, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model_arguments(parser)
    parser.add_argument(
        "source", help="a file, a folder, a glob in quotes, a camera's index, an rtsp or http URL"
    )
    output = parser.add_argument_group("output (without any, a line a frame is printed)")
    output.add_argument(
        "--save",
        metavar="PATH",
        help="annotated video (.mp4, .avi), or image or folder of images for images",
    )
    output.add_argument("--ndjson", metavar="FILE", help="a JSON line a frame; - is stdout")
    output.add_argument("--show", action="store_true", help="a window; q or Esc ends the run")
    stream = parser.add_argument_group("stream")
    stream.add_argument(
        "--mode",
        choices=("video", "live"),
        help="every frame in order, or the newest; by default live for cameras and URLs",
    )
    stream.add_argument(
        "--max-fps",
        type=float,
        metavar="N",
        help="take at most N frames a second: live drops the others, video waits",
    )
    stream.add_argument("--max-frames", type=int, metavar="N", help="end after N frames")
    found = parser.add_argument_group("detections")
    found.add_argument("--score", type=float, metavar="T", help="least score, 0 to 1")
    found.add_argument("--iou", type=float, metavar="T", help="overlap that NMS allows, 0 to 1")
    found.add_argument("--classes", metavar="A,B", help="only these classes")
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Detects in every frame, hands it to the outputs, prints a summary.

    Raises:
        SourceError: the source ended before it should have; what came before is written.
        SpotletError: an argument, the model, the source or an output cannot be used.
    """
    if args.max_frames is not None and args.max_frames < 1:
        raise UsageError(f"--max-frames {args.max_frames}: must be at least 1")
    settings = session_settings(args)
    detector = Detector(
        args.model,
        variant=args.variant,
        score_threshold=args.score,
        iou_threshold=args.iou,
        session=settings,
    )
    if detector.session.provider != full_provider_name(settings.provider):
        print(
            f"provider {settings.provider}: not to be had here; on {detector.session.provider}",
            file=sys.stderr,
        )
    wanted = _wanted_classes(args.classes, detector.class_names)
    people = sys.stderr if args.ndjson == "-" else sys.stdout
    tally = _Tally()
    try:
        with (
            open_stream(args.source, mode=args.mode, max_fps=args.max_fps) as stream,
            _open_sinks(args, stream, detector.session.path) as sinks,
            _progress(sinks, stream, args.max_frames) as progress,
            contextlib.suppress(WindowClosed),
        ):
            tally.sinks = sinks
            for frame in stream:
                detections = detector(frame.image)
                if wanted is not None:
                    detections = detections.of_classes(wanted)
                for sink in sinks:
                    sink.write(frame, detections)
                tally.add(frame, detections)
                if progress is not None:
                    progress.advance()
                else:
                    print(_line(frame, detections), flush=True)
                if tally.frames == args.max_frames:
                    break
    finally:
        tally.report(people)
    if stream.ended_early is not None:
        raise SourceError(f"{stream.source}: {stream.ended_early}; the frames before are kept")
    return 0


class _Tally:
    """What a run did, counted as it goes."""

    def __init__(self) -> None:
        self.frames = 0
        self.dropped = 0
        self.found: Counter[str] = Counter()
        self.sinks: list[Sink] = []
        self._started = time.monotonic()
        self._last = self._started

    def add(self, frame: Frame, detections: Detections) -> None:
        if self.frames == 0:  # its time counts, what came before was opening and loading
            self._started = frame.captured_monotonic
        self.frames += 1
        self.dropped += frame.dropped
        self.found.update(found.name for found in detections)
        self._last = time.monotonic()

    def report(self, file: TextIO) -> None:
        """Prints the summary; nothing when there was no frame."""
        if self.frames == 0:
            return
        seconds = max(self._last - self._started, 1e-9)
        frames = f"{self.frames} frame{'s' * (self.frames > 1)}"
        rate = self.frames / seconds
        print(
            f"{frames} in {seconds:.1f} s, {rate:.1f} frames/s, {self.dropped} dropped", file=file
        )
        if self.found:
            print(table(self.found.most_common(), header=("class", "found")), file=file)
        else:
            print("nothing found", file=file)
        for written in filter(None, (sink.written for sink in self.sinks)):
            print(f"wrote {written}", file=file)


def _wanted_classes(text: str | None, class_names: tuple[str, ...]) -> tuple[str, ...] | None:
    if text is None:
        return None
    wanted = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in wanted if name not in class_names]
    if unknown or not wanted:
        raise UsageError(
            f"--classes {text}: {', '.join(unknown) or 'nothing'} is no class of this model; it "
            f"has {', '.join(class_names)}"
        )
    return wanted


@contextlib.contextmanager
def _open_sinks(args: argparse.Namespace, stream: Stream, model: Path) -> Iterator[list[Sink]]:
    """Opens the outputs that were asked for, and closes each of them whatever happens."""
    sinks: list[Sink] = []
    with contextlib.ExitStack() as stack:
        if args.ndjson not in (None, "-"):
            refuse_source(Path(args.ndjson), stream.files | {model.resolve()})
            if args.save is not None and Path(args.ndjson).resolve() == Path(args.save).resolve():
                raise UsageError(f"--ndjson and --save {args.save}: must be two places")
        # First what may be refused: opening the NDJSON empties a file that is there.
        if args.save is not None:
            sinks.append(save_sink(args.save, stream, max_fps=args.max_fps))
            stack.callback(sinks[-1].close)
        if args.ndjson is not None:
            sinks.append(NdjsonSink(args.ndjson))
            stack.callback(sinks[-1].close)
        if args.show:
            sinks.append(WindowSink(f"spotlet: {stream.source}"))
            stack.callback(sinks[-1].close)
        yield sinks


def _progress(
    sinks: list[Sink], stream: Stream, max_frames: int | None
) -> contextlib.AbstractContextManager[Progress | None]:
    """Returns the progress; None where the frames' own lines are printed instead."""
    if not sinks:
        return contextlib.nullcontext()
    counts = [count for count in (stream.frame_count, max_frames) if count is not None]
    return Progress("run", total=min(counts, default=None), unit="frames")


def _line(frame: Frame, detections: Detections) -> str:
    where = (
        frame.source
        if frame.pts_seconds is None
        else f"frame {frame.index} at {frame.pts_seconds:.2f} s"
    )
    found = ", ".join(
        f"{each.name} {each.score:.2f} at {tuple(round(side) for side in each.box_xyxy)}"
        for each in detections
    )
    return f"{where}: {found or 'nothing'}"
