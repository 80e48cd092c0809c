"""Fashion-MNIST over a broken line: resumed, checked, never half there."""

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from spotlet.errors import DatasetError
from spotlet_training.scenes import fashion, load_fashion
from spotlet_training.scenes.fashion import read_idx
from spotlet_training.scenes.fetch import CHECKSUMS, cache_folder, fetch_fashion, fetch_file

BODY = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
PACKED = gzip.compress(BODY, mtime=0)
CHECKSUM = hashlib.sha256(BODY).hexdigest()


class Shelf(ThreadingHTTPServer):
    """Serves one file, and notes what it was asked for.

    `ranges` off answers a Range request with the whole; `break_at` ends a body early, once.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.body, self.ranges, self.break_at = body, True, 0
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.gz"


class Answer(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.asked.append(asked)
        first = int(asked[6:-1]) if asked and self.server.ranges else 0
        if self.path != "/file.gz" or (first and first >= len(self.server.body)):
            self.send_error(404 if self.path != "/file.gz" else 416)
            return
        self.send_response(206 if first else 200)
        body = self.server.body[first:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.break_at:
            body, self.server.break_at = body[: self.server.break_at], 0
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Shelf(PACKED)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_checked_and_kept(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.gz"
    fetch_file(shelf.url, path, CHECKSUM)
    assert gzip.decompress(path.read_bytes()) == BODY
    assert list(path.parent.iterdir()) == [path]


def test_a_broken_download_is_continued_where_it_broke_off(shelf: Shelf, tmp_path: Path) -> None:
    path, shelf.break_at = tmp_path / "file.gz", 7_000
    with pytest.raises(DatasetError, match="the next run resumes there"):
        fetch_file(shelf.url, path, CHECKSUM)
    assert not path.exists()
    fetch_file(shelf.url, path, CHECKSUM)
    assert path.read_bytes() == PACKED
    assert shelf.asked == ["", "bytes=7000-"]


def test_a_server_that_knows_no_ranges_sends_it_all_again(shelf: Shelf, tmp_path: Path) -> None:
    path, shelf.ranges = tmp_path / "file.gz", False
    (tmp_path / "file.gz.part").write_bytes(PACKED[:5_000])
    fetch_file(shelf.url, path, CHECKSUM)
    assert path.read_bytes() == PACKED


def test_the_beginning_of_another_file_is_thrown_away(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    (tmp_path / "file.gz.part").write_bytes(b"?" * 5_000)
    fetch_file(shelf.url, path, CHECKSUM)
    assert path.read_bytes() == PACKED
    assert shelf.asked == ["bytes=5000-", ""]


def test_a_part_that_is_whole_already_is_taken(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file.gz.part").write_bytes(PACKED)
    fetch_file(shelf.url, tmp_path / "file.gz", CHECKSUM)
    assert (tmp_path / "file.gz").read_bytes() == PACKED


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"other", mtime=0), b"<html>moved</html>", PACKED[:-30]],
    ids=["another file", "a page", "a part"],
)
def test_a_file_with_another_checksum_is_not_kept(
    shelf: Shelf, tmp_path: Path, body: bytes
) -> None:
    shelf.body = body
    with pytest.raises(DatasetError, match="SHA-256"):
        fetch_file(shelf.url, tmp_path / "file.gz", CHECKSUM)
    assert list(tmp_path.iterdir()) == []


def test_offline_says_what_else_there_is(tmp_path: Path, shelf: Shelf) -> None:
    shelf.server_close()  # its port refuses from now on
    with pytest.raises(DatasetError, match=r"dataset-fashion-mnist.*--objects sample"):
        fetch_file(shelf.url, tmp_path / "file.gz", CHECKSUM)


def test_a_file_that_is_not_there_says_so(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be fetched"):
        fetch_fashion(list(CHECKSUMS)[:1], address=shelf.url[:-8], folder=tmp_path)


def test_what_is_in_the_cache_is_not_asked_for(tmp_path: Path) -> None:
    for name in CHECKSUMS:
        (tmp_path / name).write_bytes(b"")
    paths = fetch_fashion(list(CHECKSUMS), address="http://127.0.0.1:9", folder=tmp_path)
    assert [path.name for path in paths] == list(CHECKSUMS)


def test_the_cache_is_where_the_desktop_standard_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "spotlet" / "fashion-mnist"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/invalid")
    assert cache_folder() == Path.home() / ".cache" / "spotlet" / "fashion-mnist"


def write_idx(path: Path, array: np.ndarray) -> None:
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def test_a_set_is_read_from_a_folder_or_from_where_debian_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = np.random.default_rng(1).integers(0, 256, (20, 28, 28))
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", photos)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.arange(20) % 10)
    monkeypatch.setattr(fashion, "DEBIAN_FOLDER", tmp_path)
    for objects in (load_fashion("t10k"), load_fashion("t10k", folder=tmp_path)):
        np.testing.assert_array_equal(objects.photos, photos)
        assert objects.by_class[3].tolist() == [3, 13]
    with pytest.raises(DatasetError, match="No such file"):
        load_fashion("train", folder=tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text", "damaged gzip"),
        (PACKED[:-30], "damaged gzip"),
        (gzip.compress(b"\0\0\x0d\1\0\0\0\1\0\0\0\0", mtime=0), "not an IDX file"),
        (gzip.compress(b"\0\0\x08\1\0\0\0\5abc", mtime=0), r"3 bytes for an array of shape \(5,\)"),
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(DatasetError, match=reason):
        read_idx(tmp_path / "x.gz")
