import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from image_bytes import tiff

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
