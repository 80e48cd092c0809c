"""Faults of an RTSP camera, which needs GStreamer's server and the system's python for it."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import pytest
from servers.mjpeg import MjpegServer
from servers.rtsp import RtspServer
from servers.viewer import Viewer

from spotlet.streams import Reconnection, open_stream

pytestmark = pytest.mark.live

RULES = Reconnection(
    stall_seconds=600, open_seconds=10.0, first_seconds=0.1, most_seconds=0.4, stable_seconds=600
)
"""Only a camera that is paused is given up for its silence."""

FAULTS: tuple[Literal["pause", "end", "kill"], ...] = ("pause", "end", "kill")


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspServer]:
    with RtspServer() as server:
        yield server


def _wait_for_events(viewer: Viewer, count: int) -> None:
    viewer.wait(lambda: len(viewer.events) >= count)


def test_an_rtsp_camera_is_lost_and_found_and_no_frame_is_invented(camera: RtspServer) -> None:
    with contextlib.ExitStack() as stack:
        well = stack.enter_context(MjpegServer(fps=30))
        viewer = stack.enter_context(Viewer([camera.url, well.url], reconnection=RULES))
        name, well_name = viewer.names
        viewer.wait_for_frames(name, 10)
        for fault in FAULTS:
            losses = len(viewer.events)
            if fault == "kill":
                camera.kill()
            else:
                camera.tell(fault)
            if fault == "pause":
                viewer.give_up_by(name, replace(RULES, stall_seconds=1))
            _wait_for_events(viewer, losses + 1)
            viewer.give_up_by(name, RULES)
            if fault == "kill":
                camera.revive(width=640, height=352)
            else:
                camera.tell("resume")
            viewer.wait_for_frames(name, 6)
            viewer.wait_for_frames(well_name, 1)
        viewer.close()
    frames = viewer.frames[name]
    for before, after in pairwise(frames):
        assert after.index - before.index == after.dropped + 1
        assert after.epoch - before.epoch in (0, 1)
        if before.epoch == after.epoch:
            assert after.number - before.number == after.index - before.index
    assert [frame.index for frame in frames[:1]] == [frame.dropped for frame in frames[:1]]
    assert {(frame.epoch, frame.size_hw) for frame in frames} == {
        (0, (192, 320)),
        (1, (192, 320)),
        (2, (192, 320)),
        (3, (352, 640)),
    }
    # Any attempt may come while the server still tidies up: then another follows.
    story = " ".join(viewer.states(name)).replace("connecting lost ", "")
    assert story == (
        "connecting live stalled connecting live lost connecting live lost connecting live ended"
    )
    assert viewer.states(well_name) == ["connecting", "live", "ended"]
    assert "hunter" not in repr(viewer.events)


def test_an_rtsp_camera_says_its_size_rate_and_times(camera: RtspServer) -> None:
    with open_stream(camera.url, reconnection=RULES) as stream:
        assert (stream.fps, stream.size_hw) == (None, None)
        frames = [frame for frame, _ in zip(stream, range(20), strict=False)]
        assert stream.fps == 30
        assert stream.size_hw == frames[0].size_hw
        assert stream.frame_count is None
    times = [frame.pts_seconds for frame in frames]
    for (before, after), (frame, next_frame) in zip(pairwise(times), pairwise(frames), strict=True):
        assert before is not None
        assert after is not None
        assert after - before == pytest.approx((next_frame.dropped + 1) / 30, abs=0.05)
        assert next_frame.index - frame.index == next_frame.dropped + 1
