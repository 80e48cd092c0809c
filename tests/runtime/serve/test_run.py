"""`spotlet run --serve`: the command as a process of its own, watched through its port."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import jsonschema
import pytest
from patience import PATIENCE_SECONDS, wait_until
from servers.browser import Browser
from servers.mjpeg import MjpegServer
from servers.watching import ask, call, watch

from spotlet.events import event_json_schema
from spotlet.letterbox import ImageArray

pytestmark = pytest.mark.live

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

TOKEN = "hunter4-is-a-long-token"


class _Run:
    """A run as a child process; what it says on standard error is kept."""

    def __init__(self, *words: object, token: str | None = None) -> None:
        environment = {key: text for key, text in os.environ.items() if "SPOTLET" not in key}
        if token is not None:
            environment["SPOTLET_SERVE_TOKEN"] = token
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spotlet", "run", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """Where it is served, as soon as it says so."""
        wait_until(lambda: "serving at" in "\n".join(self.lines), lambda: self.lines)
        found = re.search(r"serving at (\S+/)", "\n".join(self.lines))
        assert found is not None
        return found[1]

    def end(self, by: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Returns the exit code, and what it said on standard error."""
        self.process.send_signal(by)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """Returns the exit code, and what it said on standard error."""
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code, "\n".join(self.lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))


@contextlib.contextmanager
def _running(*words: object, token: str | None = None) -> Iterator[_Run]:
    run = _Run(*words, "--ndjson", os.devnull, token=token)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()
        assert run.process.stdout is not None
        run.process.stdout.close()
        run._reader.join(PATIENCE_SECONDS)
        assert run.process.stderr is not None
        run.process.stderr.close()


def test_a_camera_lost_and_found_is_told_and_its_credentials_never_are(
    squares_model: Path,
) -> None:
    with (
        MjpegServer(fps=20) as camera,
        _running(squares_model, camera.url, "--serve", "127.0.0.1:0") as run,
    ):
        url = run.url
        states: list[str] = []
        with watch(url) as events:
            for event in events:
                jsonschema.validate(event, event_json_schema())
                if "state" in event:
                    states.append(event["state"])
                    if event["state"] == "lost":
                        camera.fault = None
                elif event["epoch"] > 0:
                    break
                elif camera.fault is None and "lost" not in states:
                    camera.fault = "refuse"
        assert states[-2:] == ["connecting", "live"]
        assert ask(url, "/healthz").status == 200
        slug = re.search(r'"slug":"([^"]+)"', ask(url, "/healthz").text)
        assert slug is not None
        paths = ("/", "/page.js", "/healthz", "/metrics", f"/snapshot/{slug[1]}.jpg", "/no")
        told = b"".join(
            repr(each.headers).encode() + each.body for each in (ask(url, path) for path in paths)
        )
        with watch(url) as events:
            told += "".join(str(next(events)) for _ in range(5)).encode()
        assert "reconnections_total" in ask(url, "/metrics").text
        code, err = run.end()
    assert code == 130
    assert b"door" in told
    assert b"hunter" not in told
    assert "hunter" not in err
    assert "Traceback" not in err


def test_the_page_shows_a_camera_lost_and_found_without_being_loaded_again(
    squares_model: Path,
) -> None:
    card = "document.querySelector('.card')"
    with (
        Browser() as browser,
        MjpegServer(fps=20) as camera,
        _running(squares_model, camera.url, "--serve", "0") as run,
    ):
        browser.open(run.url)
        browser.wait_for(f"{card}?.dataset.state === 'live'")
        camera.fault = "refuse"
        browser.wait_for(f"{card}.dataset.state === 'lost'")
        browser.wait_for("document.body.innerText.includes('0 of 1 live')")
        lost = browser.evaluate(f"{card}.querySelector('img').src")
        camera.fault = None
        browser.wait_for(f"{card}.dataset.state === 'live'")
        browser.wait_for("document.body.innerText.includes('1 of 1 live')")
        browser.wait_for(f"{card}.querySelector('img').src !== {lost!r}")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_watched_ends_whatever_its_viewers_do(
    squares_model: Path, end: signal.Signals
) -> None:
    with (
        MjpegServer(fps=30) as camera,
        _running(squares_model, camera.url, "--serve", "0") as run,
        call(run.url, "/events", receive_bytes=4096),
        watch(run.url) as events,
    ):
        while "frame" not in next(events):
            pass
        code, err = run.end(end)
    assert code == (130 if end == signal.SIGINT else 143)
    assert err.splitlines()[-1].startswith("spotlet run: ")
    assert "Traceback" not in err


def test_the_token_of_the_environment_is_asked_for_and_never_told(squares_model: Path) -> None:
    with (
        MjpegServer(fps=20) as camera,
        _running(squares_model, camera.url, "--serve", "0.0.0.0:0", token=TOKEN) as run,
    ):
        url = run.url.replace("0.0.0.0", "127.0.0.1")
        assert ask(url, "/metrics").status == 401
        assert ask(url, "/metrics", Authorization=f"Bearer {TOKEN}").status == 200
        link = ask(url, f"/?token={TOKEN}")
        assert (link.status, link.headers["location"]) == (303, "./")
        _, err = run.end()
    assert "hunter" not in err


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("--serve", "0.0.0.0:0"), 2, "needs a token"),
        (("--serve", "nowhere"), 2, "must be HOST:PORT"),
        (("--serve", "0", "--serve-token", "short"), 2, "16 characters"),
        (("--serve-token", TOKEN), 2, "--serve-token: needs --serve"),
    ],
)
def test_what_cannot_be_served_is_one_line_before_anything_else(
    words: tuple[str, ...], code: int, reason: str
) -> None:
    with _running("no-such-model", "no-such-source", *words) as run:
        done, err = run.wait()
    assert (done, len(err.splitlines())) == (code, 1)
    assert reason in err
    assert TOKEN not in err


def test_a_port_that_is_taken_is_one_line_before_anything_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with _running("no-such-model", "no-such-source", "--serve", place) as run:
            code, err = run.wait()
    assert (code, len(err.splitlines())) == (4, 1)
    assert f"--serve: cannot listen on {place} (" in err


def test_without_the_extra_it_is_said_what_brings_it(tmp_path: Path) -> None:
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError(name='starlette')\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "spotlet", "run", "garments", "x.mp4", "--serve", "0"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == 'spotlet run: --serve needs starlette: pip install "spotlet[serve]"\n'


def test_nothing_of_an_extra_is_loaded_unless_it_is_asked_for(
    squares_model: Path, tmp_path: Path, draw_squares: Callable[..., ImageArray]
) -> None:
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), draw_squares((60, 80), red=(10, 10, 40, 40)))
    code = (
        "import sys, spotlet.commands.run; from spotlet.running import RunSettings, run\n"
        "model, source = sys.argv[1:]\n"
        "assert run(RunSettings(model=model, sources=[source])).frames == 1; print(*sys.modules)"
    )
    words = [sys.executable, "-c", code, str(squares_model), str(picture)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "spotlet" in loaded
    assert not loaded & {
        "starlette",
        "uvicorn",
        "prometheus_client",
        "h11",
        "anyio",
        "asyncio",
        "http",
        "paho",
        "tqdm",
    }
