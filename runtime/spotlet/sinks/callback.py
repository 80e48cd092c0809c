"""Events for a program that embeds spotlet: a function of its own is called with each."""

from collections.abc import Callable

from spotlet.detections import Detections
from spotlet.events import Event, frame_event, status_event
from spotlet.lifetime import Closing
from spotlet.streams import Frame, StatusEvent


class CallbackSink(Closing):
    """Calls a function with the event of each frame and each change of state.

    Example:
        >>> events = []
        >>> sink = CallbackSink(events.append)
    """

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        """Takes the function, which is called in the thread that writes."""
        self._on_event = on_event
        self._closed = False

    @property
    def written(self) -> str | None:
        """None: what the function does with it is its own affair."""
        return None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Tells of a frame; what the function raises is raised."""
        self._on_event(frame_event(frame, detections))

    def write_status(self, event: StatusEvent) -> None:
        """Tells of a change of state; after `close` it does nothing."""
        if not self._closed:
            self._on_event(status_event(event))

    def close(self) -> None:
        """Ends it. A second call does nothing."""
        self._closed = True
