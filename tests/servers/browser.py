"""Headless Chromium, driven over a pipe: pages as users see them."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

from spotlet.lifetime import Closing

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
)


class Browser(Closing):
    """One tab. Skips the test if Chromium is missing.

    Source: Chrome DevTools Protocol; over a pipe, messages are JSON that ends with a zero byte,
    read by the browser from file descriptor 3 and written to 4.
    """

    def __init__(self, size: tuple[int, int] = (1280, 800), *, dark: bool = False) -> None:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            pytest.skip("needs chromium")
        self._folder = tempfile.mkdtemp()
        their_in, self._out = os.pipe()
        self._in, their_out = os.pipe()
        command = f'exec "$@" 3<&{their_in} 4>&{their_out}'
        flags = [*FLAGS, f"--user-data-dir={self._folder}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", program, *flags],
            pass_fds=(their_in, their_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_in)
        os.close(their_out)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.errors: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def resize(self, size: tuple[int, int], scale: float = 1, *, mobile: bool = False) -> None:
        """Sets the width and height of the window."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=scale,
            mobile=mobile,
        )

    def open(self, url: str) -> None:
        """Goes to a page."""
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """Returns the value of an expression in the page, as JSON."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str) -> float:
        """Returns after how many seconds the expression is true in the page."""
        began = time.monotonic()
        while not self.evaluate(script):
            text = self.evaluate("document.body?.innerText")
            assert time.monotonic() < began + PATIENCE_SECONDS, f"not {script} in: {text}"
            time.sleep(0.03)
        return time.monotonic() - began

    def screenshot(self, path: Path) -> None:
        """Saves a screenshot as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Calls a method of the protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(answer["params"]))
            if answer.get("method") == "Log.entryAdded":
                self.errors.append(str(answer["params"]["entry"]))

    def close(self) -> None:
        """Ends the browser."""
        with contextlib.suppress(OSError):
            os.close(self._out)
        with contextlib.suppress(OSError):
            os.close(self._in)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            content = os.read(self._in, 65536)
            assert content, "chromium has ended"
            self._buffer += content
        text, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        return answer
