import http.server
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from live_frames import number_in, numbered_image
from servers.over_http import serve

from spotlet.streams import open_stream
from spotlet.streams.jpeg import decode_jpeg, jpeg_end


def _jpeg(number: int, *settings: int) -> bytes:
    return bytes(cv2.imencode(".jpg", numbered_image(number), settings)[1])


def _with_thumbnail(picture: bytes, thumbnail: bytes) -> bytes:
    return (
        picture[:2]
        + b"\xff\xe1"
        + (len(thumbnail) + 2).to_bytes(2, "big")
        + thumbnail
        + picture[2:]
    )


PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)


@pytest.mark.parametrize("settings", [(), PROGRESSIVE, RESTARTS])
@pytest.mark.parametrize(
    "padding", [b"", b"\0" * 96, b"\xff" * 513, b"\r\n--", bytes(range(256)) * 9]
)
def test_a_picture_ends_at_its_end_whatever_follows(
    settings: tuple[int, ...], padding: bytes
) -> None:
    for picture in (_jpeg(77, *settings), _with_thumbnail(_jpeg(77, *settings), _jpeg(5))):
        assert jpeg_end(picture + padding) == len(picture)
        image = decode_jpeg(np.frombuffer(picture + padding, np.uint8).reshape(1, -1))
        assert image is not None
        assert number_in(image) == 77


@pytest.mark.parametrize("settings", [(), PROGRESSIVE, RESTARTS])
def test_half_a_picture_is_not_one_even_with_a_thumbnail_or_padding(
    settings: tuple[int, ...],
) -> None:
    picture = _with_thumbnail(_jpeg(77, *settings), _jpeg(5))
    for cut in range(0, len(picture) - 1, 7):
        half = np.frombuffer(picture[:cut] + b"\0" * 100, np.uint8)
        assert decode_jpeg(half) is None


class _Padding(http.server.BaseHTTPRequestHandler):
    """Sends pictures with zeros behind each, as cameras on small boards do."""

    padding = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        for number in range(30):
            part = _jpeg(number) + bytes(self.padding)
            head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(part)}\r\n\r\n"
            self.wfile.write(head.encode() + part + b"\r\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[0, 63, 64, 96, 513, 4000])
def padded_url(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Handler", (_Padding,), {"padding": request.param})
    with serve(handler) as url:
        yield f"{url}/stream"


def test_a_camera_that_pads_its_pictures_is_read(padded_url: str) -> None:
    with open_stream(padded_url, mode="video") as stream:
        numbers = [number_in(frame.image) for frame in stream]
    assert numbers == list(range(numbers[0], 30))
    assert len(numbers) >= 28
