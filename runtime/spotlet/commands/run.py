"""`spotlet run`: detect in images, videos, cameras or URLs, in one or in several at once."""

import argparse
import contextlib
import sys
from dataclasses import replace

from spotlet.commands.config import apply_config
from spotlet.commands.crew import open_detector, plan_run
from spotlet.commands.detecting import detect_in_order
from spotlet.commands.following import Following, add_following_arguments
from spotlet.commands.options import add_model_arguments, add_session_arguments, session_settings
from spotlet.commands.outputs import Outputs, add_output_arguments, open_outputs
from spotlet.commands.process import settle_process
from spotlet.commands.serving import listen
from spotlet.commands.tally import Tally
from spotlet.detections import Detections
from spotlet.errors import SourceError, UsageError
from spotlet.serve.address import Listener
from spotlet.sinks import WindowClosed
from spotlet.streams import Frame, Reconnection, StreamGroup, open_streams
from spotlet.text.terminal import PLAIN_SECONDS, Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model_arguments(parser, optional=True)
    parser.add_argument(
        "source",
        nargs="*",
        help="a file, a folder, a glob in quotes, a camera's index, an rtsp or http URL; several "
        "are detected in at once",
    )
    parser.add_argument(
        "--config", metavar="FILE", help="TOML with these arguments; what is given here wins"
    )
    add_output_arguments(parser)
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
        help="take at most N frames a second of each source: live drops the others, video waits",
    )
    stream.add_argument("--max-frames", type=int, metavar="N", help="end after N frames")
    stream.add_argument(
        "--stall-seconds",
        type=float,
        default=Reconnection().stall_seconds,
        metavar="S",
        help="without a frame for so long a live source is opened anew [%(default)g]",
    )
    stream.add_argument(
        "--retries",
        type=int,
        metavar="N",
        help="failures in a row after which a live source is given up [never]",
    )
    stream.add_argument(
        "--batch",
        type=int,
        default=1,
        metavar="N",
        help="frames of several sources that go through the network at once; on a CPU it does not "
        "pay [%(default)d]",
    )
    found = parser.add_argument_group("detections")
    found.add_argument("--score", type=float, metavar="T", help="least score, 0 to 1")
    found.add_argument("--iou", type=float, metavar="T", help="overlap that NMS allows, 0 to 1")
    found.add_argument("--classes", metavar="A,B", help="only these classes")
    add_following_arguments(parser)
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Detects in every frame, hands it to the outputs, prints a summary.

    Raises:
        SourceError: a source ended before it should have; what came before is written.
        SpotletError: an argument, the model, a source or an output cannot be used.
    """
    apply_config(args, add_arguments)
    _require_usable(args)
    with listen(args) as listener:
        return _run(args, listener)


def _run(args: argparse.Namespace, listener: Listener | None) -> int:
    following = Following(args)
    settings = session_settings(args)
    crew = plan_run(args, settings)
    if crew.workers > 1:
        settle_process()
    detector = open_detector(args, replace(settings, threads=crew.threads))
    following.prepare(detector)
    wanted = _wanted_classes(args.classes, detector.class_names)
    people = sys.stderr if args.ndjson == "-" else sys.stdout
    tally, outputs = Tally(), Outputs()
    several = len(args.source) > 1
    try:
        with (
            open_streams(
                args.source,
                mode=args.mode,
                max_fps=args.max_fps,
                reconnection=_reconnection(args),
                on_status=outputs.tell,
                spare_cores=crew.workers == 1,
            ) as group,
            open_outputs(args, group.streams, detector.session.path, outputs, listener),
            _progress(outputs, group, args.max_frames) as progress,
            contextlib.suppress(WindowClosed),
            # Closed here and not when it is collected, where an error could not be raised.
            contextlib.closing(
                detect_in_order(
                    detector,
                    group,
                    crew,
                    batch=args.batch,
                    max_frames=args.max_frames,
                    classes=wanted,
                    idle=outputs.flush,
                )
            ) as detected,
        ):
            tally.sinks = outputs.sinks
            following.begin(group.streams)
            try:
                for (stream, frame), found in detected:
                    detections = following.update(stream, frame, found)
                    outputs.write(frame, detections)
                    tally.add(stream, frame, detections)
                    if progress is not None:
                        progress.advance()
                    else:
                        print(_line(frame, detections, several), flush=True)
            except KeyboardInterrupt:
                outputs.stop()
                raise
    finally:
        tally.report(people)
    if group.failures:
        told = "; ".join(f"{name}: {why}" for name, why in group.failures.items())
        raise SourceError(f"{told}; the frames before are kept")
    return 0


def _require_usable(args: argparse.Namespace) -> None:
    if args.model is None or not args.source:
        raise UsageError("a model and at least one source must be given; see `spotlet run --help`")
    for name, value in (("--max-frames", args.max_frames), ("--batch", args.batch)):
        if value is not None and value < 1:
            raise UsageError(f"{name} {value}: must be at least 1")


def _reconnection(args: argparse.Namespace) -> Reconnection:
    # A camera's first frame may take as long as its next: some send one in a minute.
    return Reconnection(
        retries=args.retries,
        stall_seconds=args.stall_seconds,
        open_seconds=max(Reconnection().open_seconds, args.stall_seconds),
    )


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


def _progress(
    outputs: Outputs, group: StreamGroup, max_frames: int | None
) -> contextlib.AbstractContextManager[Progress | None]:
    """Returns the progress; None where the frames' own lines are printed instead."""
    if not outputs.sinks:
        return contextlib.nullcontext()
    counts = [stream.frame_count for stream in group.streams]
    known = [count for count in counts if count is not None]
    totals = [sum(known)] if len(known) == len(counts) else []
    totals += [] if max_frames is None else [max_frames]
    # The log of a service is for what happens, not for how much of it there was.
    unending = any(stream.mode == "live" for stream in group.streams)
    plain_seconds = float("inf") if unending else PLAIN_SECONDS
    total = min(totals, default=None)
    return Progress("run", total=total, unit="frames", plain_seconds=plain_seconds)


def _line(frame: Frame, detections: Detections, several: bool) -> str:
    where = frame.source
    if frame.pts_seconds is not None:
        where = f"{f'{where}: ' if several else ''}frame {frame.index} at {frame.pts_seconds:.2f} s"
    found = ", ".join(
        f"{each.name}{f' #{each.track_id}' * bool(each.track_id)} {each.score:.2f} at "
        f"{tuple(round(side) for side in each.box_xyxy)}"
        for each in detections
    )
    return f"{where}: {found or 'nothing'}"
