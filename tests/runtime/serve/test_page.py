"""The page of a served run in headless Chromium, as a person sees it."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from live_frames import live_frame
from patience import PATIENCE_SECONDS
from servers.browser import Browser

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

import cv2
import numpy as np

from spotlet.counts import Counts, LineCount, ZoneCount
from spotlet.detections import Detections, ModelIdentity
from spotlet.events import ModelEvent
from spotlet.serve.address import Listener, ServeAddress
from spotlet.serve.sink import ServeSink
from spotlet.streams import StatusEvent

pytestmark = pytest.mark.live

NASTY = "<img src=x onerror=document.title='broken'>"
SOURCE = f"rtsp://10.0.0.7/{NASTY}"
TOKEN = "a-token-of-24-characters"
HAS_PICTURE = "(document.querySelector('.card img:not([hidden])')?.naturalWidth ?? 0) > 0"


class _Stream:
    over = False

    def __init__(self, source: str) -> None:
        self.source = source


class _Run:
    """A run whose frames and states the test makes."""

    def __init__(self, port: int = 0, token: str | None = None) -> None:
        self.told: list[str] = []
        listener = Listener(ServeAddress("127.0.0.1", port, token))
        self.url, self.port = listener.url, listener.port
        self.sink = ServeSink(listener, [_Stream(SOURCE)], self.told.append, title=NASTY)
        self.status("live")

    def status(self, state: str, reason: str | None = None) -> None:
        event = StatusEvent(source=SOURCE, state="live", epoch=0, at=1.7e9, reason=reason)
        self.sink.write_status(replace(event, state=state))  # type: ignore[arg-type]

    def frame(self, number: int) -> None:
        image = np.full((240, 320, 3), 60 + 10 * (number % 10), np.uint8)
        counts = Counts(
            lines=(
                LineCount(
                    name=NASTY, start_xy=(0, 0), end_xy=(9, 9), entered={NASTY: number}, left={}
                ),
            ),
            zones=(
                ZoneCount(
                    name="desk",
                    corners_xy=((10, 10), (90, 10), (50, 90)),
                    inside={NASTY: 1},
                    entered={NASTY: 4},
                ),
            ),
        )
        found = Detections(
            np.array([[20, 20, 90, 90]], np.float32),
            np.array([0.87], np.float32),
            np.array([0]),
            (NASTY,),
            np.array([17]),
            counts,
        )
        frame = replace(live_frame(number, source=SOURCE), image=image, dropped=2)
        self.sink.write(frame, found)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


def _text(browser: Browser) -> str:
    return str(browser.evaluate("document.body.innerText"))


def test_the_page_shows_a_source_and_what_is_told_of_it(browser: Browser, tmp_path: Path) -> None:
    browser.errors.clear()
    run = _Run()
    with contextlib.closing(run.sink):
        run.frame(1)
        browser.open(run.url)
        browser.wait_for(HAS_PICTURE)
        first = browser.evaluate("document.querySelector('.card img').src")
        run.frame(2)
        browser.wait_for(f"document.querySelector('.card img').src !== {first!r}")
        browser.wait_for("document.body.innerText.includes('in 2 <img')")
        text = _text(browser)
        for told in (SOURCE, NASTY, "#17", "87 %", "live", "1 of 1 live", "inside 1 <img", "desk"):
            assert told in text
        browser.wait_for("document.querySelector('.dropped').textContent === '4'")
        run.status("lost", f"it broke off {NASTY}")
        browser.wait_for("document.querySelector('.card').dataset.state === 'lost'")
        assert "it broke off <img" in _text(browser)
        browser.wait_for("document.body.innerText.includes('0 of 1 live')")
        run.status("live")
        run.frame(3)
        browser.wait_for("document.querySelector('.card').dataset.state === 'live'")
        assert browser.evaluate("document.title") == "Spotlet"
        assert browser.evaluate("document.querySelectorAll('img').length") == 2
        assert [each for each in browser.errors if "503" not in each] == []
        for size in ((1280, 800), (390, 844)):
            browser.resize(size)
            assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]
            browser.screenshot(tmp_path / "page.png")
            picture = cv2.imread(str(tmp_path / "page.png"))
            assert picture is not None
            assert picture.shape[:2] == (size[1], size[0])
        browser.resize((1280, 800))
    assert run.told == []


def test_the_page_says_that_a_run_has_gone_and_recovers_by_itself(browser: Browser) -> None:
    run = _Run()
    with contextlib.closing(run.sink):
        run.frame(1)
        browser.open(run.url)
        browser.wait_for(HAS_PICTURE)
    browser.wait_for("document.body.innerText.includes('No connection to the run')")
    again = _Run(run.port)
    with contextlib.closing(again.sink):
        again.frame(40)
        browser.wait_for("document.getElementById('link').dataset.link === 'on'")
        assert "No connection" not in _text(browser)
        before = browser.evaluate("document.querySelector('.card img').src")
        deadline = time.monotonic() + PATIENCE_SECONDS
        number = 41
        while f"in {number} <img" not in _text(browser):  # the stream of events is back too
            assert time.monotonic() < deadline
            number += 1
            again.frame(number)
            time.sleep(0.1)
        browser.wait_for(f"document.querySelector('.card img').src !== {before!r}")


def test_a_link_with_the_token_opens_on_a_phone(browser: Browser) -> None:
    run = _Run(token=TOKEN)
    with contextlib.closing(run.sink):
        run.frame(1)
        browser.open(run.url)
        browser.wait_for("document.body?.innerText.startsWith('401')")
        browser.open(f"{run.url}?token={TOKEN}")
        browser.wait_for(f"location.href === {run.url!r} && !!document.querySelector('.card')")
        browser.wait_for(HAS_PICTURE)
        assert TOKEN not in browser.evaluate("document.cookie + location.href")


def test_the_page_names_the_model_and_the_last_refused_package(
    browser: Browser, tmp_path: Path
) -> None:
    run = _Run()
    with contextlib.closing(run.sink):
        model = ModelIdentity(NASTY, "0123456789abcdef" * 4)
        image = np.full((240, 320, 3), 60, np.uint8)
        frame = replace(live_frame(1, source=SOURCE), image=image)
        run.sink.write(frame, replace(Detections.none(("bolt",)), model=model))
        event = ModelEvent(
            state="refused",
            model=NASTY,
            digest=None,
            running=model.digest,
            at=1.7e9,
            reason=f"its golden frames are others {NASTY} " + "x" * 200,
        )
        run.sink.write_model(event)
        browser.open(run.url)
        browser.wait_for(
            "document.body?.innerText.includes('a new package was refused: its golden')"
        )
        assert f"{NASTY} 0123456789abcdef" in _text(browser)
        browser.wait_for("document.documentElement.scrollWidth <= window.innerWidth")
        browser.screenshot(tmp_path / "refused.png")
        run.sink.write_model(replace(event, state="loaded", reason=None))
        browser.wait_for("!document.body.innerText.includes('was refused')")
