"""One time for all frames of a source."""

from spotlet.streams.frame import Frame


class SourceClock:
    """Seconds since a source's first frame, which never go back.

    Between two frames of an epoch that both say their presentation time, that is what passes; else
    it is the time between their captures. So a source may change from one to the other.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._last: tuple[int, float | None, float] | None = None

    def seconds(self, frame: Frame) -> float:
        """Returns the time of the next frame."""
        if self._last is not None:
            epoch, pts_seconds, captured = self._last
            passed = frame.captured_monotonic - captured
            if epoch == frame.epoch and None not in (pts_seconds, frame.pts_seconds):
                passed = (frame.pts_seconds or 0.0) - (pts_seconds or 0.0)
            self._seconds += max(passed, 0.0)
        self._last = frame.epoch, frame.pts_seconds, frame.captured_monotonic
        return self._seconds
