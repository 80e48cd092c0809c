"""Decoding in hardware: OpenCV's real answers where there is none, and a pretended one."""

import logging
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from live_frames import found
from servers.mjpeg import MjpegServer
from servers.over_http import serve_folder

from spotlet.errors import SourceError, UsageError
from spotlet.events import frame_event, status_event
from spotlet.streams import Frame, Reconnection, StatusEvent, hardware, locate_source, open_stream
from spotlet.streams.decoding import (
    OPTIONS_VARIABLE,
    Decoder,
    HardwareError,
    ReaderOpener,
    allow_all_hardware,
    decoder_of,
)
from spotlet.streams.hardware import find_devices, name_if_decoding, try_hardware
from spotlet.streams.video import VideoReader

WriteClip = Callable[..., Path]

HD = 1088, 1920


def images(count: int = 4, size_hw: tuple[int, int] = (96, 128)) -> list[Any]:
    return [np.full((*size_hw, 3), 6 * number, np.uint8) for number in range(count)]


@pytest.fixture(autouse=True)
def options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTIONS_VARIABLE, "")
    monkeypatch.delenv(OPTIONS_VARIABLE)


class Machine:
    """OpenCV on a machine with VAAPI, as far as captures show it; the CPU decodes all the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[bool] = []  # for hardware, by each capture that was opened
        self.decodes = True
        right, machine = cv2.VideoCapture, self

        class Capture:  # a subclass would corrupt the heap when it is freed
            def __init__(self, *given: Any) -> None:
                self._capture = right()
                self._in_hardware = False
                if given:
                    self.open(*given)

            def open(self, what: Any, api: int = cv2.CAP_ANY, settings: Any = ()) -> bool:
                pairs = dict(zip(settings[::2], settings[1::2], strict=True))
                self._in_hardware = pairs.get(cv2.CAP_PROP_HW_ACCELERATION, 0) > 0
                machine.asked.append(self._in_hardware)
                return self._capture.open(what, api, settings)

            def get(self, setting: int) -> float:
                if setting == cv2.CAP_PROP_HW_ACCELERATION and self._in_hardware:
                    return cv2.VIDEO_ACCELERATION_VAAPI
                return self._capture.get(setting)

            def read(self) -> tuple[bool, Any]:
                decoded, image = self._capture.read()
                return decoded and (machine.decodes or not self._in_hardware), image

            def __getattr__(self, name: str) -> Any:
                return getattr(self._capture, name)

        monkeypatch.setattr(cv2, "VideoCapture", Capture)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def read(path: Path | str, decoder: Decoder) -> list[Frame]:
    with open_stream(path, decoder=decoder) as stream:
        frames = list(stream)
    assert stream.ended_early is None
    return frames


def first(url: str, decoder: Decoder, events: list[StatusEvent]) -> Frame:
    rules = Reconnection(retries=0)
    with open_stream(url, decoder=decoder, on_status=events.append, reconnection=rules) as stream:
        return next(iter(stream))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


# OpenCV itself


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
def test_where_hardware_is_missing_the_pictures_are_the_same_and_a_line_says_so(
    tmp_path: Path,
    write_clip: WriteClip,
    suffix: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if not try_hardware().startswith("none"):
        pytest.skip("this machine decodes in hardware")
    path = write_clip(tmp_path / f"a{suffix}", images())
    capfd.readouterr()  # what the encoder says
    plain = read(path, "cpu")
    assert warnings_of(caplog) == []
    tried = read(path, "hw")
    assert [each.decoder for each in tried] == ["cpu"] * 4
    assert all(
        np.array_equal(a.image, b.image) and a.pts_seconds == b.pts_seconds
        for a, b in zip(plain, tried, strict=True)
    )
    (line,) = warnings_of(caplog)
    assert line.startswith(f"{path}: decoder hw: no decoder in hardware takes it; `spotlet doctor`")
    assert line.endswith("; decoded on the CPU")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("codec", "decoder"), [("mpeg4", "cpu"), ("h264_v4l2m2m", "h264_v4l2m2m")])
def test_a_codec_for_hardware_that_the_user_names_is_the_decoder(
    tmp_path: Path,
    write_clip: WriteClip,
    monkeypatch: pytest.MonkeyPatch,
    codec: str,
    decoder: str,
) -> None:
    capture = cv2.VideoCapture(str(write_clip(tmp_path / "a.mp4", images())), cv2.CAP_FFMPEG)
    monkeypatch.setenv(OPTIONS_VARIABLE, f"rtsp_flags;prefer_tcp|video_codec;{codec}")
    assert decoder_of(capture) == decoder
    capture.release()


def test_options_that_the_user_has_set_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTIONS_VARIABLE, "hw_decoders_any;vaapi")
    allow_all_hardware()
    assert os.environ[OPTIONS_VARIABLE] == "hw_decoders_any;vaapi"


def test_another_decoder_is_refused() -> None:
    with pytest.raises(UsageError, match="decoder 'gpu': must be auto, cpu or hw"):
        open_stream("a.mp4", decoder="gpu")  # type: ignore[arg-type]


# A machine that has hardware


@pytest.mark.parametrize("size_hw", [(96, 128), HD])
@pytest.mark.parametrize(("decoder", "used"), [("auto", "cpu"), ("cpu", "cpu"), ("hw", "vaapi")])
def test_files_are_decoded_in_hardware_only_if_it_is_asked_for(
    machine: Machine,
    tmp_path: Path,
    write_clip: WriteClip,
    size_hw: tuple[int, int],
    decoder: Decoder,
    used: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = write_clip(tmp_path / "a.mp4", images(2, size_hw))
    assert {frame.decoder for frame in read(path, decoder)} == {used}
    assert any(machine.asked) == (used != "cpu")
    assert warnings_of(caplog) == []


@pytest.mark.skipif(not hasattr(cv2, "IStreamReader"), reason="packets need OpenCV 4.11")
@pytest.mark.parametrize(("decoder", "used"), [("auto", "cpu"), ("hw", "vaapi")])
def test_behind_a_change_of_size_a_file_has_the_same_decoder(
    machine: Machine, tmp_path: Path, decoder: Decoder, used: str
) -> None:
    content = b""
    for size_hw in (HD, (96, 128)):
        writer = cv2.VideoWriter(
            str(tmp_path / "part.ts"), cv2.VideoWriter.fourcc(*"mp4v"), 20, size_hw[::-1]
        )
        for image in images(4, size_hw):
            writer.write(image)
        writer.release()
        content += (tmp_path / "part.ts").read_bytes()
    path = tmp_path / "changes.ts"
    path.write_bytes(content)
    frames = read(path, decoder)
    assert {(frame.size_hw, frame.decoder) for frame in frames} == {(HD, used), ((96, 128), used)}
    assert any(machine.asked) == (used != "cpu")


@pytest.mark.live
@pytest.mark.skipif(not hasattr(cv2, "IStreamReader"), reason="packets need OpenCV 4.11")
@pytest.mark.parametrize(
    ("decoder", "size_hw", "used"),
    [
        ("auto", HD, "vaapi"),
        ("auto", (96, 128), "cpu"),
        ("cpu", HD, "cpu"),
        ("hw", (96, 128), "vaapi"),
    ],
)
def test_large_pictures_of_a_live_url_are_decoded_in_hardware_unless_it_is_forbidden(
    machine: Machine,
    tmp_path: Path,
    write_clip: WriteClip,
    decoder: Decoder,
    size_hw: tuple[int, int],
    used: str,
) -> None:
    write_clip(tmp_path / "a.webm", images(40, size_hw))
    events: list[StatusEvent] = []
    with serve_folder(tmp_path) as url:
        frame = first(f"{url}/a.webm", decoder, events)
    assert frame.decoder == used
    live = [event for event in events if event.state == "live"]
    assert [event.decoder for event in live] == [used] * len(live)
    assert status_event(live[0])["decoder"] == used
    assert str(live[0]).endswith(f"a.webm: live, decoder {used}")
    assert machine.asked[0] == (decoder == "hw")  # what only reads packets needs none


@pytest.mark.live
@pytest.mark.usefixtures("machine")
def test_jpegs_of_a_url_are_decoded_on_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    with MjpegServer() as server:
        assert first(server.url, "hw", []).decoder == "cpu"
    (line,) = warnings_of(caplog)
    assert "no decoder in hardware takes it" in line


def test_hardware_that_decodes_no_picture_gives_way_to_the_cpu_once(
    machine: Machine, tmp_path: Path, write_clip: WriteClip, caplog: pytest.LogCaptureFixture
) -> None:
    machine.decodes = False
    path = write_clip(tmp_path / "a.mp4", images())
    source = locate_source(path)

    def open_with(decoder: Decoder) -> VideoReader:
        return VideoReader(source, 1, 1, decoder=decoder)

    open_reader = ReaderOpener(source, "hw", open_with)
    for _ in range(2):
        reader = open_reader()
        assert reader.decoder == "cpu"
        reader.close()
        machine.decodes = True  # for the second: it stays with the CPU all the same
    assert warnings_of(caplog) == [
        f"{path}: decoder hw: vaapi decodes no picture of it; decoded on the CPU"
    ]


def test_a_source_that_nothing_decodes_is_not_blamed_on_the_hardware(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = locate_source("rtsp://10.0.0.7/door")
    asked: list[Decoder] = []

    def open_with(decoder: Decoder) -> VideoReader:
        asked.append(decoder)
        raise HardwareError("none") if decoder == "auto" else SourceError("cannot be reached")

    open_reader = ReaderOpener(source, "auto", open_with)
    for _ in range(2):
        with pytest.raises(SourceError, match="cannot be reached"):
            open_reader()
    assert asked == ["auto", "cpu"] * 2
    assert warnings_of(caplog) == []


def test_frames_decoded_in_hardware_say_so_in_their_events(
    tmp_path: Path, write_clip: WriteClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "a.mp4", images())
    assert "decoder" not in frame_event(read(path, "hw")[0], found(0))
    Machine(monkeypatch)
    assert frame_event(read(path, "hw")[0], found(0))["decoder"] == "vaapi"


def test_images_and_cameras_say_that_it_does_not_apply(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), images()[0])
    assert [frame.decoder for frame in read(path, "hw")] == [None]
    with pytest.raises(SourceError, match="/dev/video98: no such camera"):
        open_stream("/dev/video98", mode="video", decoder="hw")
    rule = "decoder hw: is for videos and URLs, not for images and cameras"
    assert warnings_of(caplog) == [f"{path}: {rule}", f"/dev/video98: {rule}"]


# What `spotlet doctor` shows


def test_the_doctor_says_what_decodes_h264(machine: Machine) -> None:
    assert try_hardware() == "vaapi, H.264"
    machine.decodes = False
    assert try_hardware() == "none: vaapi opens, but decodes no picture"


@pytest.mark.parametrize(
    ("loaded", "reason"), [(False, "built without VAAPI, as in pip's wheels"), (True, "no device")]
)
def test_the_doctor_says_why_nothing_does(
    loaded: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not try_hardware().startswith("none"):
        pytest.skip("this machine decodes in hardware")
    monkeypatch.setattr(hardware, "_is_loaded", lambda _: loaded)
    monkeypatch.setattr("sys.platform", "linux")
    assert reason in try_hardware()


def test_devices_are_found_with_what_prevents_their_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "DEVICES", tmp_path)
    assert find_devices() == []
    (tmp_path / "dri" / "renderD129").mkdir(parents=True)
    (tmp_path / "dri" / "renderD128").touch()
    (tmp_path / "video10").touch()  # it answers no question about itself
    fault = "cannot be opened: Is a directory"
    paths = [tmp_path / "dri" / name for name in ("renderD128", "renderD129")]
    assert find_devices() == [str(paths[0]), f"{paths[1]} ({fault})"]


def test_a_v4l2_decoder_is_told_from_a_camera() -> None:
    def capability(offered: int, own: int) -> bytes:
        names = b"bcm2835-codec", b"bcm2835-codec-decode", b"platform:bcm2835"
        return struct.pack("16s32s32sIII12x", *names, 0x60C00, offered, own)

    assert name_if_decoding(capability(0x84208000, 0x04208000)) == "bcm2835-codec-decode"
    assert name_if_decoding(capability(0x84208000, 0x04204000)) == "bcm2835-codec-decode"
    assert name_if_decoding(capability(0x84A08001, 0x04200001)) is None
