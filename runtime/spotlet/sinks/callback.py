"""Events for a program that embeds Spotlet."""

from collections.abc import Callable

from spotlet.detections import Detections
from spotlet.events import Event, ModelEvent, frame_event, model_event, status_event
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
        """None: the sink itself writes nothing."""
        return None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Calls the function with the event of a frame; raises what it raises."""
        self._on_event(frame_event(frame, detections))

    def write_status(self, event: StatusEvent) -> None:
        """Calls the function with a change of a source's state; ignored after `close`.

        A run may close its sources after its sinks: those last changes are not reported here.
        """
        if not self._closed:
            self._on_event(status_event(event))

    def write_model(self, event: ModelEvent) -> None:
        """Calls the function with a loaded or refused package; ignored after `close`."""
        if not self._closed:
            self._on_event(model_event(event))

    def close(self) -> None:
        """Ends the calls. A second `close` does nothing."""
        self._closed = True
