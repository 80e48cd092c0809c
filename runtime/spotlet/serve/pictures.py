"""Annotated pictures for browsers: encoded on request, once for all viewers."""

import asyncio
import time
from concurrent.futures import Executor
from typing import NamedTuple

import cv2
import numpy as np

from spotlet.annotate.detections import draw_detections
from spotlet.serve.board import Board, Newest

MOST_WIDTH = 1280
JPEG_QUALITY = 80

LEAST_SECONDS = 0.1
"""The least time between two pictures of a source."""

CORE_SHARE = 0.04
"""The largest share of all cores' time that the pictures of all sources may take together."""


class Picture(NamedTuple):
    """A frame, annotated and encoded.

    Attributes:
        jpeg: the file.
        frame: number of the frame in the source.
        epoch: of that frame.
    """

    jpeg: bytes
    frame: int
    epoch: int


class Pictures:
    """The newest picture of each source; used in the server's loop alone.

    Encoding runs in its own thread, one picture at a time, the sources in turn. After each picture
    it pauses in proportion to how long that took, so that detection is hardly affected, and longer
    if the cores are busy. Requests wait during the pause.
    """

    def __init__(self, board: Board, executor: Executor, *, cores: int) -> None:
        """Starts with no pictures.

        Args:
            board: has the frames.
            executor: one thread, which draws and encodes the pictures.
            cores: of this machine, from 1.
        """
        self.encoded = 0
        self._board = board
        self._executor = executor
        self._share = min(CORE_SHARE * cores, 1.0)
        self._turn = asyncio.Lock()
        self._rested_at = 0.0
        self._made: dict[str, tuple[Newest, Picture, float]] = {}
        self._making: dict[str, asyncio.Task[Picture]] = {}

    async def newest(self, source: str) -> Picture | None:
        """Returns the picture of the newest frame; None before the first frame."""
        newest = self._board.newest(source)
        if newest is None:
            return None
        made = self._made.get(source)
        if made is not None and made[0] is newest:
            return made[1]
        making = self._making.get(source)
        if making is None:
            making = asyncio.create_task(self._make(source))
            self._making[source] = making
            making.add_done_callback(lambda _: self._making.pop(source, None))
        # A viewer that disconnects must not cancel the picture of the others.
        return await asyncio.shield(making)

    async def _make(self, source: str) -> Picture:
        if source in self._made:
            await _sleep_until(self._made[source][2] + LEAST_SECONDS)
        async with self._turn:
            await _sleep_until(self._rested_at)
            newest = self._board.newest(source)
            assert newest is not None  # there was one, and it only gets newer
            loop = asyncio.get_running_loop()
            began = time.monotonic()
            jpeg, seconds = await loop.run_in_executor(self._executor, _encode, newest)
            self._rested_at = time.monotonic() + seconds * (1 / self._share - 1)
        self.encoded += 1
        picture = Picture(jpeg, newest.frame.index, newest.frame.epoch)
        self._made[source] = newest, picture, began
        return picture


def _encode(newest: Newest) -> tuple[bytes, float]:
    """Returns the JPEG, and how long it took, seconds."""
    began = time.monotonic()
    image = draw_detections(newest.frame.image, newest.detections)
    height, width = image.shape[:2]
    if width > MOST_WIDTH:
        size = (MOST_WIDTH, max(round(height * MOST_WIDTH / width), 1))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    done, content = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    if not done:
        raise RuntimeError(f"a picture of {width}x{height} could not be encoded")
    return content.tobytes(), time.monotonic() - began


async def _sleep_until(monotonic: float) -> None:
    await asyncio.sleep(max(monotonic - time.monotonic(), 0.0))
