from pathlib import Path

import cv2
import numpy as np
import pytest

from spotlet.errors import SourceError
from spotlet.image_files import decode_image, read_image


def test_an_image_is_the_same_from_a_file_and_from_its_content(tmp_path: Path) -> None:
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    assert np.array_equal(read_image(str(path)), picture)
    assert np.array_equal(decode_image(path.read_bytes()), picture)
    assert np.array_equal(decode_image(bytearray(path.read_bytes())), picture)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_what_is_no_image_is_an_error_of_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.png: not an image"):
        read_image(tmp_path / "a.png")
    with pytest.raises(SourceError, match="the image: not an image"):
        decode_image(content)
