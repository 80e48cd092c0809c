"""The arguments of `spotlet run`, turned into its settings."""

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from spotlet.collecting.settings import (
    MOST_FRAMES,
    MOST_MEGABYTES,
    PER_HOUR,
    CollectSettings,
)
from spotlet.commands.options import add_model_arguments, add_session_arguments, session_settings
from spotlet.counting.rules import Anchor, CountingRules, parse_line, parse_zone
from spotlet.errors import SettingError, UsageError
from spotlet.running.settings import RunSettings
from spotlet.serve.address import TOKEN_VARIABLE
from spotlet.sinks.recording.sink import KEPT_RECORDINGS
from spotlet.stillness.settings import StillSettings
from spotlet.streams import Reconnection
from spotlet.streams.decoding import Decoder
from spotlet.tiles import TileSettings
from spotlet.tracking.settings import TrackingSettings

if TYPE_CHECKING:  # an extra
    from spotlet.mqtt import BrokerAddress, MqttSettings

PASSWORD_VARIABLE = "SPOTLET_MQTT_PASSWORD"
"""A URL shows in the list of processes; the environment does not."""

FLAGS = {
    "model": "MODEL",
    "sources": "SOURCE",
    "score_threshold": "--score",
    "iou_threshold": "--iou",
    "tracking": "--track",
    "counting": "--line, --zone",
    "sensitivity": "--skip-still",
    "per_hour": "--collect-per-hour",
    "frames": "--collect-frames",
    "megabytes": "--collect-mb",
}
"""Of the settings that are named differently on the command line."""

HELP = {
    "source": "an image, a video, a folder, a glob in quotes, a camera's index, an rtsp or http "
    "URL; several run at once",
    "--config": "TOML with these arguments; the command line wins",
    "--save": "annotated video (.mp4, .avi); image or folder for images; folder of videos for "
    "several sources; browsers play a video after "
    "ffmpeg -i out.mp4 -c:v libx264 -pix_fmt yuv420p web.mp4",
    "--keep-videos": f"videos to keep of each live source, up to an hour each [{KEPT_RECORDINGS}]",
    "--ndjson": "a JSON line for each frame and each change of a live source's state; - is stdout",
    "--rotate-mb": "append to the NDJSON, and start a new file at this size; keep a few old ones",
    "--snapshots": "a JPEG whenever a class appears",
    "--collect": "keep raw frames that are worth labelling, as a COCO set with suggestions",
    "--collect-per-hour": f"at most N frames an hour [{PER_HOUR:g}]",
    "--collect-frames": f"at most N frames in the folder [{MOST_FRAMES}]",
    "--collect-mb": f"at most MB megabytes in the folder [{MOST_MEGABYTES:g}]",
    "--show": "open a window; q or Esc ends the run",
    "--serve": "watch the run in a browser, with events and metrics; a port alone is on 127.0.0.1, "
    "any other address needs a token",
    "--serve-token": f"what a viewer must present; safer in {TOKEN_VARIABLE} or --config, since "
    "all users of this machine see a process's flags",
    "--mqtt": "publish to mqtt[s]://[user[:password]@]host[:port]/[topic-prefix]; the password "
    f"may be in {PASSWORD_VARIABLE}",
    "--mqtt-on": "a message for each frame with detections, or when the objects change [frame]",
    "--mqtt-qos": "0: send each message once; 1: until the broker confirms it [1]",
    "--mqtt-discovery": "announce the sources to Home Assistant",
    "--mqtt-cafile": "CA certificates to trust with mqtts:// instead of the system's",
    "--mode": "every frame in order, or the newest [live for cameras and URLs, else video]",
    "--max-fps": "at most N frames a second of each source: live drops the others, video waits",
    "--max-frames": "stop after N frames",
    "--decoder": "hw decodes videos and URLs in hardware if it can, cpu never, auto only large "
    "pictures of live URLs [%(default)s]",
    "--stall-seconds": "reconnect a live source after S seconds without a frame [%(default)g]",
    "--retries": "give up a live source after N failures in a row [never]",
    "--batch": "frames of several sources in one call of the network; not worth it on a CPU "
    "[%(default)d]",
    "--skip-still": "infer only while something moves; 2 notices half as much as 1 [1]; give it "
    "after the sources",
    "--still-seconds": "with --skip-still, infer at least every S seconds [10]",
    "--score": "least score, 0 to 1; with --track, half of it continues an object [the model's]",
    "--iou": "overlap that NMS allows, 0 to 1 [the model's]",
    "--classes": "only these classes",
    "--tiles": "cut frames into tiles for small objects, each an inference: auto, tiles across by "
    "tiles down, or the side of a tile in pixels; off [the model's]",
    "--track": "give each object an id that it keeps across frames",
    "--line": "count objects that cross this line, in shares of the frame (0 to 1) or pixels; "
    "2:NAME=... is for the second source only; repeatable",
    "--zone": "count objects in this polygon, and those that enter it; written like --line",
    "--anchor": "the point of a box that counts: middle of its lower side, or centre [%(default)s]",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    group: argparse._ActionsContainer = parser

    def add(name: str, **options: Any) -> None:
        group.add_argument(name, help=HELP[name], **options)

    add_model_arguments(parser, optional=True)
    add("source", nargs="*")
    add("--config", metavar="FILE")
    group = parser.add_argument_group("output (without any, a line a frame is printed)")
    add("--save", metavar="PATH")
    add("--keep-videos", type=int, metavar="N")
    add("--ndjson", metavar="FILE")
    add("--rotate-mb", type=float, metavar="MB")
    add("--snapshots", metavar="FOLDER")
    add("--collect", metavar="FOLDER")
    add("--collect-per-hour", type=float, metavar="N")
    add("--collect-frames", type=int, metavar="N")
    add("--collect-mb", type=float, metavar="MB")
    add("--show", action="store_true")
    add("--serve", metavar="HOST:PORT")
    add("--serve-token", metavar="TOKEN")
    group = parser.add_argument_group("MQTT")
    add("--mqtt", metavar="URL")
    add("--mqtt-on", choices=("frame", "change"))
    add("--mqtt-qos", type=int, choices=(0, 1))
    add("--mqtt-discovery", action="store_true")
    add("--mqtt-cafile", metavar="FILE")
    group = parser.add_argument_group("stream")
    add("--mode", choices=("video", "live"))
    add("--max-fps", type=float, metavar="N")
    add("--max-frames", type=int, metavar="N")
    add("--decoder", choices=get_args(Decoder), default="auto")
    add("--stall-seconds", type=float, default=Reconnection().stall_seconds, metavar="S")
    add("--retries", type=int, metavar="N")
    add("--batch", type=int, default=1, metavar="N")
    add("--skip-still", type=float, nargs="?", const=1.0, metavar="SENSITIVITY")
    add("--still-seconds", type=float, metavar="S")
    group = parser.add_argument_group("detections")
    add("--score", type=float, metavar="T")
    add("--iou", type=float, metavar="T")
    add("--classes", metavar="A,B")
    add("--tiles", metavar="auto|2x2|SIZE")
    group = parser.add_argument_group("tracking and counting")
    add("--track", action="store_true")
    add("--line", action="append", metavar="NAME=X1,Y1,X2,Y2")
    add("--zone", action="append", metavar="NAME=X1,Y1,X2,Y2,X3,Y3,...")
    add("--anchor", choices=get_args(Anchor), default="bottom")
    add_session_arguments(parser)


def in_flags(error: SettingError) -> UsageError:
    """Returns an error about settings with the names of the flags instead.

    Example:
        >>> print(in_flags(SettingError("`rotate_mb` 3: needs `ndjson`, a file to rotate")))
        --rotate-mb 3: needs --ndjson, a file to rotate
    """
    return UsageError(
        re.sub(r"`(\w+)`", lambda m: FLAGS.get(m[1], f"--{m[1].replace('_', '-')}"), str(error))
    )


def run_settings(args: argparse.Namespace) -> RunSettings:
    """Returns the settings that the arguments give.

    Raises:
        UsageError: an argument breaks its rule.
    """
    if args.model is None or not args.source:
        raise UsageError("a model and at least one source must be given; see `spotlet run --help`")
    if args.serve is None and args.serve_token:
        raise UsageError("--serve-token: needs --serve HOST:PORT")
    token = (args.serve_token or os.environ.get(TOKEN_VARIABLE)) if args.serve else None
    broker, published = _mqtt(args)
    classes = None if args.classes is None else args.classes.split(",")
    return RunSettings(
        model=args.model,
        variant=args.variant,
        sources=args.source,
        mode=args.mode,
        max_fps=args.max_fps,
        max_frames=args.max_frames,
        batch=args.batch,
        skip_still=_stillness(args),
        decoder=args.decoder,
        # A camera's first frame may take as long as its next: some send one a minute.
        reconnection=Reconnection(
            retries=args.retries,
            stall_seconds=args.stall_seconds,
            open_seconds=max(Reconnection().open_seconds, args.stall_seconds),
        ),
        score_threshold=args.score,
        iou_threshold=args.iou,
        classes=None if classes is None else [name.strip() for name in classes if name.strip()],
        tiles=None if args.tiles is None else TileSettings(layout=args.tiles),
        tracking=TrackingSettings() if args.track else None,
        counting=CountingRules(
            lines=tuple(parse_line(text) for text in args.line or ()),
            zones=tuple(parse_zone(text) for text in args.zone or ()),
            anchor=args.anchor,
        ),
        session=session_settings(args),
        own_process=True,
        save=args.save,
        keep_videos=args.keep_videos,
        ndjson=args.ndjson,
        rotate_mb=args.rotate_mb,
        snapshots=args.snapshots,
        collect=_collecting(args),
        show=args.show,
        serve=args.serve,
        serve_token=token,
        mqtt=broker,
        mqtt_settings=published,
    )


def _stillness(args: argparse.Namespace) -> StillSettings | None:
    if args.skip_still is None and args.still_seconds is not None:
        raise SettingError("`still_seconds`: needs `skip_still`")
    given = {"sensitivity": args.skip_still, "still_seconds": args.still_seconds}
    given = {name: value for name, value in given.items() if value is not None}
    return StillSettings(**given) if given else None


def _collecting(args: argparse.Namespace) -> CollectSettings | None:
    given: dict[str, Any] = {
        "per_hour": args.collect_per_hour,
        "frames": args.collect_frames,
        "megabytes": args.collect_mb,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if args.collect is None:
        for name in given:
            raise SettingError(f"`{name}`: needs `collect` FOLDER")
        return None
    return CollectSettings(folder=args.collect, **given)


def _mqtt(args: argparse.Namespace) -> "tuple[BrokerAddress | None, MqttSettings | None]":
    given = {
        "--mqtt-on": args.mqtt_on is not None,
        "--mqtt-qos": args.mqtt_qos is not None,
        "--mqtt-discovery": args.mqtt_discovery,
        "--mqtt-cafile": args.mqtt_cafile is not None,
    }
    if args.mqtt is None:
        for flag in (name for name, is_given in given.items() if is_given):
            raise UsageError(f"{flag}: needs --mqtt URL")
        return None, None
    from spotlet.mqtt import MqttSettings, locate_broker

    broker = locate_broker(
        args.mqtt,
        password=os.environ.get(PASSWORD_VARIABLE) or None,
        cafile=None if args.mqtt_cafile is None else Path(args.mqtt_cafile),
    )
    return broker, MqttSettings(
        qos=1 if args.mqtt_qos is None else args.mqtt_qos,
        on=args.mqtt_on or "frame",
        discovery=args.mqtt_discovery,
    )
