"""An RTSP camera in its own process, to be killed and restarted."""

import subprocess
from pathlib import Path
from typing import Literal

import pytest

from spotlet.lifetime import Closing

SYSTEM_PYTHON = "/usr/bin/python3"
"""The interpreter that has Debian's GStreamer bindings."""

SCRIPT = Path(__file__).with_name("rtsp_camera.py")


class RtspServer(Closing):
    """The camera; skips the test, naming the package, if GStreamer is missing."""

    def __init__(self, *, fps: int = 30) -> None:
        self._port = 0
        self._process = self._start("--fps", str(fps))

    @property
    def url(self) -> str:
        """Its URL, with credentials that must never be shown."""
        return f"rtsp://admin:hunter2@127.0.0.1:{self._port}/door"

    def tell(self, word: Literal["pause", "resume", "end"]) -> None:
        """Stops or resumes the pictures, or ends the stream."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        """Ends it."""
        self.kill()

    def revive(self, *, width: int = 320, height: int = 192, fps: int = 30) -> None:
        """Restarts it at the same URL."""
        shape = ("--width", str(width), "--height", str(height))
        self._process = self._start(*shape, "--fps", str(fps))

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        if not Path(SYSTEM_PYTHON).exists():
            pytest.skip(f"missing: {SYSTEM_PYTHON} (python3, python3-gi)")
        process = subprocess.Popen(
            [SYSTEM_PYTHON, "-I", str(SCRIPT), "--port", str(self._port), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        if not said.isdecimal():
            process.kill()
            process.communicate()
            assert said.startswith("missing:"), f"the RTSP camera does not start: {said}"
            pytest.skip(said)
        self._port = int(said)
        return process
