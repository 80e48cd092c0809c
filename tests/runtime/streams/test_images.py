import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from image_bytes import tiff

from spotlet.errors import SourceError
from spotlet.streams import open_stream


def test_guessed_bits_are_reported_once_for_a_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ramp = np.arange(64, dtype=np.uint16).reshape(8, 8)
    for name, samples in {"a": ramp * 64, "b": ramp * 16, "c": ramp * 60}.items():
        (tmp_path / f"{name}.tif").write_bytes(tiff(samples))
    (tmp_path / "d.tif").write_bytes(tiff(ramp * 64, {281: 4095}))
    with caplog.at_level(logging.WARNING), open_stream(tmp_path) as stream:
        assert len(list(stream)) == 4
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: 16 bits a sample, but no stated white; the fewest bits that hold the samples "
        "were taken (10 bits: 1 of 4, 12 bits: 2 of 4); state the white: PNG's sBIT, TIFF's "
        "MaxSampleValue"
    ]


def test_images_that_state_their_bits_are_not_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(np.full((8, 8), 4000, np.uint16), {281: 4095}))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((8, 8, 3), 90, np.uint8))
    with caplog.at_level(logging.WARNING), open_stream(tmp_path) as stream:
        assert len(list(stream)) == 2
    assert not caplog.records


def test_pictures_that_cannot_be_read_are_named_and_all_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture = np.full((64, 64, 3), 90, np.uint8)
    for name in ("a.png", "b.ras"):
        cv2.imwrite(str(tmp_path / name), picture)
    boxed = cv2.imencode(".jp2", picture)[1].tobytes()
    (tmp_path / "c.j2k").write_bytes(boxed[boxed.index(b"\xff\x4f\xff\x51") :])
    cv2.imwrite(str(tmp_path / "d.png"), picture)
    (tmp_path / "d.png").rename(tmp_path / "d.tga")  # read by its content
    for name in ("e.tga", "e10.tga", "e9.pcx", "f.cr2", "notes.txt", "clip.mp4"):
        (tmp_path / name).write_bytes(b"\0\0\2\0")
    with caplog.at_level(logging.WARNING), open_stream(tmp_path) as stream:
        frames = list(stream)
    assert [Path(frame.source).name for frame in frames] == ["a.png", "b.ras", "c.j2k", "d.tga"]
    assert all((frame.image == 90).all() for frame in frames)
    assert stream.ended_early is None
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: pictures that cannot be read were left out (.cr2: 1, .pcx: 1, .tga: 2, the "
        "first: e9.pcx); save them as PNG or JPEG"
    ]
    with pytest.raises(SourceError, match=r"no image matches .*; e9\.pcx cannot be read, save it"):
        open_stream(f"{tmp_path}/e*")
    with pytest.raises(SourceError, match=r"e\.tga: not an image that OpenCV can decode"):
        list(open_stream(tmp_path / "e.tga"))
