"""The settings of a run, and the functions that it calls."""

import logging
import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, get_args

from spotlet.collecting.settings import CollectSettings
from spotlet.counting.rules import CountingRules
from spotlet.detections import Detections
from spotlet.detector import Detector
from spotlet.errors import SettingError, UsageError
from spotlet.events import ModelEvent
from spotlet.running.summary import RunSummary
from spotlet.serve.address import ServeAddress
from spotlet.session import SessionSettings
from spotlet.sinks.line_file import LEAST_ROTATE_BYTES
from spotlet.stillness.settings import StillSettings
from spotlet.streams import Frame, OnStatus, Reconnection, Stream
from spotlet.streams.decoding import Decoder
from spotlet.streams.opening import log_status
from spotlet.streams.stream import StreamMode
from spotlet.tiles import TileSettings
from spotlet.tracking.settings import TrackingSettings

if TYPE_CHECKING:  # an extra
    from spotlet.mqtt import BrokerAddress, MqttSettings

BYTES_PER_MB = 1_000_000

_PARTS = {
    "reconnection": (Reconnection,),
    "counting": (CountingRules,),
    "tiles": (TileSettings, NoneType),
    "tracking": (TrackingSettings, NoneType),
    "session": (SessionSettings,),
    "collect": (CollectSettings, NoneType),
    "skip_still": (StillSettings, NoneType),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run reads, how it detects, and where the results go.

    Attributes:
        model: a bundled name, a package folder, or an `.onnx` file.
        variant: the file of a package, one of `spotlet.model.VARIANTS`; None: `fp32`.
        sources: one or more, each as `open_stream` takes it.
        mode: `video`: every frame, in order; `live`: the newest frame; None: `live` for cameras
            and URLs, else `video`.
        max_fps: frames a second taken from each source, over 0. `live` drops the others, `video`
            waits.
        max_frames: the run ends after this many, from 1; None: after all.
        batch: frames of several sources in one call of the network, from 1.
        skip_still: which frames are not inferred because nothing has moved; None: all are. Not for
            images.
        decoder: of videos and URLs, one of `spotlet.streams.decoding.Decoder`, see `open_stream`.
        reconnection: when a live source is reopened, and when it is given up.
        score_threshold: least score, in [0, 1]; None: the model's.
        iou_threshold: overlap that NMS allows, in (0, 1]; None: the model's.
        classes: names of the only classes to report; None: all of the model's.
        tiles: how frames are cut for small objects; None: as the model's manifest says.
        tracking: how objects keep their ids; None: no ids, unless `counting` needs them. Its
            `start_score` is at least the score threshold.
        counting: lines and zones where objects are counted. Images cannot be tracked or counted.
        session: how onnxruntime runs the model, `threads` being the cores that detection may use, 0
            for all.
        own_process: whether the run may change settings of the whole process, OpenCV's threads and
            glibc's memory, for more frames a second.
        save: an annotated video (.mp4, .avi) or image, a folder of images, or a folder of videos
            for several sources.
        keep_videos: how many recordings of each live source to keep, from 1; None: 168, a week of
            an hour each.
        ndjson: file for a JSON line a frame; `-` is standard output.
        rotate_mb: append to the NDJSON, and start a new file at this size, in MB of 1,000,000
            bytes, from 0.001024; None: overwrite the file, and let it grow.
        snapshots: folder for a JPEG whenever a class appears.
        collect: frames worth labelling to keep as a labelled set; None: none.
        show: open a window; q or Esc ends the run.
        serve: HOST:PORT of a page to watch the run; a port alone is on 127.0.0.1.
        serve_token: what a viewer must present, see `ServeAddress`; None: nothing.
        mqtt: the broker to publish to, see `spotlet.mqtt.locate_broker`.
        mqtt_settings: what is published; None: the defaults, for `classes`.

    Raises:
        UsageError: a value breaks its rule.
    """

    model: str | Path
    variant: str | None = None
    sources: Sequence[str | int | Path] = field(repr=False)  # they may hold credentials
    mode: StreamMode | None = None
    max_fps: float | None = None
    max_frames: int | None = None
    batch: int = 1
    skip_still: StillSettings | None = None
    decoder: Decoder = "auto"
    reconnection: Reconnection = Reconnection()  # noqa: RUF009 - frozen
    score_threshold: float | None = None
    iou_threshold: float | None = None
    classes: Sequence[str] | None = None
    tiles: TileSettings | None = None
    tracking: TrackingSettings | None = None
    counting: CountingRules = CountingRules()  # noqa: RUF009 - frozen
    session: SessionSettings = SessionSettings()  # noqa: RUF009 - frozen
    own_process: bool = False
    save: str | Path | None = None
    keep_videos: int | None = None
    ndjson: str | Path | None = None
    rotate_mb: float | None = None
    snapshots: str | Path | None = None
    collect: CollectSettings | None = None
    show: bool = False
    serve: str | None = None
    serve_token: str | None = field(default=None, repr=False)
    mqtt: "BrokerAddress | None" = None
    mqtt_settings: "MqttSettings | None" = None

    def __post_init__(self) -> None:
        for name in ("sources", "classes"):
            values = getattr(self, name)
            if values is None and name == "classes":
                continue
            if isinstance(values, str | bytes | Path) or not isinstance(values, Iterable):
                raise SettingError(f"`{name}`: must be a list; put a single value in brackets")
            object.__setattr__(self, name, tuple(values))
            if not getattr(self, name):
                raise SettingError(f"`{name}`: the list is empty; give at least one")
        for name, kinds in _PARTS.items():
            if not isinstance(getattr(self, name), kinds):
                raise SettingError(
                    f"`{name}` {getattr(self, name)!r}: must be a {kinds[0].__name__}"
                )
        for name in ("model", "save", "ndjson", "snapshots"):
            if getattr(self, name) == "":
                raise SettingError(f"`{name}`: must not be empty")
        for name in ("max_frames", "batch", "keep_videos"):
            number = getattr(self, name)
            if number is not None and (not _is_a(numbers.Integral, number) or number < 1):
                raise SettingError(f"`{name}` {number!r}: must be a whole number from 1")
        if self.mode not in (None, "video", "live"):
            raise SettingError(f"`mode` {self.mode!r}: must be video or live")
        if self.decoder not in get_args(Decoder):
            raise SettingError(f"`decoder` {self.decoder!r}: must be auto, cpu or hw")
        self._require_number("max_fps", lambda fps: 0 < fps < math.inf, "over 0, and finite")
        self._require_number("score_threshold", lambda score: 0 <= score <= 1, "from 0 to 1")
        iou_rule = "over 0 and at most 1"
        self._require_number("iou_threshold", lambda iou: 0 < iou <= 1, iou_rule)
        for shape in (*self.counting.lines, *self.counting.zones):
            if shape.source is not None and shape.source > len(self.sources):
                raise UsageError(
                    f"{shape.source}:{shape.name}: no such source; they are numbered from 1 to "
                    f"{len(self.sources)}"
                )
        self._require_suitable_outputs()

    def _require_suitable_outputs(self) -> None:
        if self.keep_videos is not None and self.save is None:
            raise SettingError(f"`keep_videos` {self.keep_videos}: needs `save`, where they go")
        least = LEAST_ROTATE_BYTES / BYTES_PER_MB
        enough = (LEAST_ROTATE_BYTES - 0.5) / BYTES_PER_MB
        rule = f"at least {least:g}, and finite"
        self._require_number("rotate_mb", lambda size: enough < size < math.inf, rule)
        if self.rotate_mb is not None and (self.ndjson is None or str(self.ndjson) == "-"):
            raise SettingError(f"`rotate_mb` {self.rotate_mb:g}: needs `ndjson`, a file to rotate")
        if self.serve is not None:
            ServeAddress.parse(self.serve, self.serve_token)
        elif self.serve_token is not None:
            raise SettingError("`serve_token`: needs `serve`, the HOST:PORT to protect")
        if self.mqtt_settings is not None and self.mqtt is None:
            raise SettingError("`mqtt_settings`: needs `mqtt`, the broker to publish to")

    def _require_number(self, name: str, fits: Callable[[float], bool], rule: str) -> None:
        value = getattr(self, name)
        if value is not None and not (_is_a(numbers.Real, value) and fits(value)):
            raise SettingError(f"`{name}` {value!r}: must be {rule}")

    @property
    def has_outputs(self) -> bool:
        """Whether results go anywhere but to the callbacks."""
        places = (self.save, self.ndjson, self.snapshots, self.collect, self.serve, self.mqtt)
        return self.show or any(place is not None for place in places)


def _is_a(kind: type, value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCallbacks:
    """Functions that a run calls, in the order of the attributes.

    Unless it says otherwise, a function is called in the thread that called `run`. An exception in
    one ends the run: it finishes its files, and raises the exception.

    Attributes:
        on_model: the model is loaded.
        on_status: a live source changed its state; in any thread, at once.
        on_notice: one line, when an output fails or recovers, with the address of the page, or
            about a new package; in any thread.
        on_swap: a new package was loaded or refused; in any thread, at once, after `on_notice` got
            it as a line.
        on_open: the sources and outputs are open; the frames follow.
        on_frame: a frame and its detections, after all outputs have taken them.
        on_end: the outputs are closed; also called before `run` raises, if the sources were read.
    """

    on_model: Callable[[Detector], None] = _ignore
    on_status: OnStatus = log_status
    on_notice: Callable[[str], None] = logging.getLogger("spotlet.running").warning
    on_swap: Callable[[ModelEvent], None] = _ignore
    on_open: Callable[[Sequence[Stream]], None] = _ignore
    on_frame: Callable[[Frame, Detections], None] = _ignore
    on_end: Callable[[RunSummary], None] = _ignore
