"""A window with the annotated frames."""

import os
import subprocess
import sys
from functools import cache

import cv2

from spotlet.annotate.detections import draw_detections
from spotlet.detections import Detections
from spotlet.distributions import distributions_of, replacing_commands
from spotlet.errors import UsageError
from spotlet.lifetime import Closing
from spotlet.streams import Frame
from spotlet.text.plain import plain_line

_ESCAPE_KEY = 27

TRY_SECONDS = 20.0
"""The longest that trying a window may take."""

_TRY_A_WINDOW = "import cv2; cv2.namedWindow('spotlet'); cv2.destroyAllWindows()"


class WindowClosed(Exception):  # noqa: N818 - not an error: the user is done
    """The user closed the window, or pressed `q` or Esc in it."""


def windows_remedy() -> str:
    """Returns how to get an OpenCV with windows, as text."""
    with_windows = (name for name in distributions_of("cv2") if not name.endswith("-headless"))
    commands = replacing_commands("cv2", next(with_windows, "opencv-python"))
    return f"on a desktop {commands}"


def require_windows() -> None:
    """Raises if no window can be opened here.

    Raises:
        UsageError: this OpenCV has no windows, or there is no display.
    """
    fault = _window_fault()
    if fault is not None:
        raise UsageError(f"--show: {fault}, or use --save")


@cache
def _window_fault() -> str | None:
    """Returns why no window can be opened; None if one can.

    Some builds of OpenCV abort the process if they find no display, so another process tries first.
    """
    if window_toolkit() is None:
        return f"this OpenCV has no windows; {windows_remedy()}"
    if sys.platform != "linux" or not sys.executable:
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY_A_WINDOW],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TRY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):  # a slow machine: the window itself will tell
        return None
    if done.returncode == 0:
        return None
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    where = f"display {shown} cannot be used" if shown else "there is no display"
    return f"{where}; run it on a desktop (over SSH: ssh -X)"


def window_toolkit() -> str | None:
    """Returns the toolkit of this OpenCV's windows, as its build says; None without one."""
    lines = (line.split(":", 1) for line in cv2.getBuildInformation().splitlines() if ":" in line)
    name = next((value.strip() for key, value in lines if key.strip() == "GUI"), "")
    return None if name in ("", "NONE") else name


class WindowSink(Closing):
    """A window that shows the newest annotated frame."""

    def __init__(self, title: str) -> None:
        """Opens the window.

        Raises:
            UsageError: this OpenCV has no windows, or there is no display.
        """
        self._title = plain_line(title)
        self._open = False
        require_windows()
        try:
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise UsageError(
                "--show: no window can be opened; run it on a desktop, or use --save"
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
