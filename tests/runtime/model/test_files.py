"""What lies in a package in the place of a file: none of it is waited for or followed."""

import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from spotlet import Detector
from spotlet.check import check_model
from spotlet.check.golden import read_golden_frame
from spotlet.errors import ModelFileError
from spotlet.model import locate_model
from spotlet.model.files import is_file, is_folder, package_member, read_bounded
from spotlet.model.package import bundled_models, read_parity, variants_of

MEMBERS = ("model.onnx", "parity.json", "golden/golden.json", "golden/drawn-128x96.png", "golden")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    shutil.copytree(bundled_models()["cards"], tmp_path / "cards")
    return tmp_path / "cards"


def _refused(package: Path) -> str:
    """Returns why a check does not pass, whether it cannot be done or fails."""
    try:
        (row, *_) = check_model(package).failures
        why = row.measured
    except ModelFileError as error:
        why = str(error)
    assert "\n" not in why
    return why


def test_a_package_as_it_should_be_passes(package: Path) -> None:
    assert check_model(package).passed


@pytest.mark.parametrize("name", MEMBERS)
def test_a_pipe_is_not_waited_for(package: Path, name: str) -> None:
    (package / name).rename(package / "was")
    os.mkfifo(package / name)
    assert _refused(package)


@pytest.mark.parametrize("name", MEMBERS[:-1])
def test_a_folder_in_the_place_of_a_file_is_refused(package: Path, name: str) -> None:
    (package / name).unlink()
    (package / name).mkdir()
    assert _refused(package)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors on Linux")
def test_what_is_refused_leaves_no_descriptor_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(ModelFileError, match="is not a file"):
            read_bounded(path, 10)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("name", MEMBERS)
def test_a_link_out_of_the_package_is_refused_though_it_leads_to_the_same(
    package: Path, tmp_path: Path, name: str
) -> None:
    (package / name).rename(tmp_path / "outside")
    (package / name).symlink_to(tmp_path / "outside")
    assert "leads out of its package" in _refused(package)


def test_a_link_out_in_the_place_of_a_variant_is_refused(package: Path, tmp_path: Path) -> None:
    (package / "model.int8.onnx").rename(tmp_path / "outside.onnx")
    (package / "model.int8.onnx").symlink_to("../outside.onnx")
    for read in (lambda: variants_of(package), lambda: locate_model(package, "int8")):
        with pytest.raises(ModelFileError, match="leads out of its package"):
            read()


def test_links_to_a_package_to_a_file_and_within_a_package_are_followed(
    package: Path, tmp_path: Path
) -> None:
    (package / "golden" / "golden.json").rename(package / "was.json")
    (package / "golden" / "golden.json").symlink_to("../was.json")
    (tmp_path / "current").symlink_to("cards")
    (tmp_path / "current.onnx").symlink_to("cards/model.onnx")
    assert "leads out" in _refused(package)  # of the folder of golden frames
    (package / "golden" / "golden.json").unlink()
    (package / "was.json").rename(package / "golden" / "named.json")
    (package / "golden" / "golden.json").symlink_to("named.json")
    assert check_model(tmp_path / "current").passed
    assert Detector(tmp_path / "current.onnx").class_names == Detector(package).class_names


@pytest.mark.parametrize("target", ["parity.json", "x" * 300, "/dev/zero"])
def test_rings_and_links_to_devices_are_refused(package: Path, target: str) -> None:
    (package / "parity.json").unlink()
    (package / "parity.json").symlink_to(target)
    with pytest.raises(ModelFileError):
        read_parity(package / "model.onnx")


@pytest.mark.parametrize("name", MEMBERS[:-1])
def test_a_file_of_gigabytes_is_not_read(package: Path, name: str) -> None:
    with (package / name).open("wb") as file:
        file.truncate(2**33)  # a hole: no byte is on the disk
    assert _refused(package)


def test_a_device_and_a_file_without_a_size_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is not a file"):
        read_bounded(Path("/dev/zero"), 10)
    assert read_bounded(Path("/proc/self/status"), 10**6).startswith(b"Name:")
    with pytest.raises(ModelFileError, match="is larger"):
        read_bounded(Path("/proc/self/status"), 10)
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_bounded(tmp_path / "file", 10) == b"0123456789"
    with pytest.raises(ModelFileError, match="is larger than 0 MB"):
        read_bounded(tmp_path / "file", 9)


def test_names_that_no_file_can_have_are_errors_of_ours() -> None:
    for name in ("x" * 5000, "a\0b"):
        assert not is_file(Path(name))
        assert not is_folder(Path(name))
        with pytest.raises(ModelFileError):
            Detector(name)
        with pytest.raises(ModelFileError):
            read_bounded(Path(name), 10)
    with pytest.raises(ModelFileError, match="leads out of its package"):
        package_member(Path("/proc/self"), "root")


@pytest.mark.parametrize(
    "name", ["../card", "/etc/passwd", "..", "a\\b", "a\x1b[2J", "a\nb", "x" * 201]
)
def test_names_of_golden_frames_lead_nowhere_else(package: Path, name: str) -> None:
    path = package / "golden" / "golden.json"
    text = path.read_text("utf-8").replace('"drawn-128x96"', json.dumps(name))
    path.write_text(text, "utf-8")
    assert re.search(r"golden\.json: (is malformed|not JSON) \(", _refused(package))


def _set_size(path: Path, width: int, height: int) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(">II", content, 16, width, height)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    path.write_bytes(content)


def test_a_picture_is_measured_before_it_is_decoded(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_size(package / "golden" / "drawn-128x96.png", 20_000, 20_000)
    monkeypatch.setattr("cv2.imdecode", _never)
    with pytest.raises(ModelFileError, match="has 20000 x 20000 pixels, over"):
        read_golden_frame(package / "golden", "drawn-128x96")


def _never(*_: object) -> None:
    raise AssertionError("decoded")


@pytest.fixture
def unreadable(package: Path) -> Callable[[str], None]:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    return lambda name: (package / name).chmod(0)


@pytest.mark.parametrize("name", MEMBERS)
def test_what_may_not_be_read_is_an_error_of_ours(
    package: Path, unreadable: Callable[[str], None], name: str
) -> None:
    unreadable(name)
    assert _refused(package)
