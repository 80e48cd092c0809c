"""A window with the annotated frames."""

import cv2

from spotlet.annotate.detections import draw_detections
from spotlet.detections import Detections
from spotlet.distributions import distributions_of, replacing_commands
from spotlet.errors import UsageError
from spotlet.lifetime import Closing
from spotlet.streams import Frame
from spotlet.text.plain import plain_line

_ESCAPE_KEY = 27


class WindowClosed(Exception):  # noqa: N818 - not an error: the user is done
    """The user closed the window, or pressed `q` or Esc in it."""


def windows_remedy() -> str:
    """Returns how to get an OpenCV with windows, as text."""
    with_windows = (name for name in distributions_of("cv2") if not name.endswith("-headless"))
    commands = replacing_commands("cv2", next(with_windows, "opencv-python"))
    return f"on a desktop {commands}"


class WindowSink(Closing):
    """A window that shows the newest annotated frame."""

    def __init__(self, title: str) -> None:
        """Opens the window.

        Raises:
            UsageError: this OpenCV has no windows, or there is no display.
        """
        self._title = plain_line(title)
        self._open = False
        try:
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise UsageError(
                "--show: no window can be opened: no display, or an OpenCV without windows; "
                f"{windows_remedy()}, or use --save"
            ) from error
        self._open = True

    @property
    def written(self) -> str | None:
        """None: a window leaves nothing behind."""
        return None

    def write(self, frame: Frame, detections: Detections) -> None:
        """Shows the frame.

        Raises:
            WindowClosed: the user closed the window, or pressed `q` or Esc.
        """
        cv2.imshow(self._title, draw_detections(frame.image, detections))
        key = cv2.waitKey(1) & 0xFF
        visible = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        if key in (ord("q"), _ESCAPE_KEY) or not visible:
            raise WindowClosed

    def close(self) -> None:
        """Closes the window."""
        if self._open:
            self._open = False
            cv2.destroyWindow(self._title)
