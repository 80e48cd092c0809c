"""The end-to-end file gives, in a browser and from C, the boxes that it gives in Python."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import onnx
import pytest
from benchmarks.hosts import browser_host, c_host
from benchmarks.hosts.comparison import HOSTS, PHOTOGRAPH
from benchmarks.hosts.found import HostAbsentError, HostFailedError, detections_of, pictures

from spotlet import Detector
from spotlet.check.agreement import agree
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.model import locate_model
from spotlet_export import with_suppression

MODEL = "cells"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hosts") / "model.end2end.onnx"
    onnx.save(with_suppression(onnx.load(locate_model(MODEL))), path)
    return path


@pytest.fixture(scope="module")
def images() -> Mapping[str, ImageArray]:
    return pictures(read_image(PHOTOGRAPH))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return c_host.build(tmp_path_factory.mktemp("program"))
    except HostAbsentError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("host", HOSTS)
def test_another_host_finds_the_boxes_that_python_finds(
    host: str, model: Path, images: Mapping[str, ImageArray]
) -> None:
    try:
        rows = HOSTS[host](model, images)
    except HostAbsentError as error:
        pytest.skip(str(error))
    detector = Detector(MODEL)
    counts = []
    for name, image in images.items():
        wanted = detector(image)
        agreement = agree(wanted, detections_of(rows[name], detector.class_names))
        assert agreement.unmatched == 0, name
        assert agreement.least_iou >= 0.995, name
        assert agreement.score_difference <= 0.002, name
        counts.append(len(wanted))
    assert 0 in counts
    assert max(counts) > 3


def test_the_page_says_that_a_file_is_no_end_to_end_file(images: Mapping[str, ImageArray]) -> None:
    grey = {"grey": images["grey"]}
    try:
        with pytest.raises(HostFailedError, match="export the model with --end-to-end"):
            browser_host.detect(locate_model(MODEL), grey)
    except HostAbsentError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"P6\n# a comment\n2 1 255\n" + bytes(6), ""),
        (b"P6 2 2 255\n" + bytes(11), "cut short"),
        (b"P5 2 2 255\n" + bytes(4), "no binary PPM"),
        (b"P6 0 2 255\n", "no binary PPM"),
        (b"P6 2 2 1023\n" + bytes(24), "no binary PPM"),
        (b"", "no binary PPM"),
    ],
)
def test_the_c_host_reads_a_ppm_or_says_why_not(
    program: Path, model: Path, tmp_path: Path, content: bytes, said: str
) -> None:
    picture = tmp_path / "picture.ppm"
    picture.write_bytes(content)
    done = subprocess.run([program, model, picture], capture_output=True, text=True, check=False)
    assert done.returncode == (4 if said else 0)
    assert said in done.stderr
    assert done.stdout == ""


def test_the_c_host_names_a_model_that_is_not_there(program: Path, tmp_path: Path) -> None:
    absent = tmp_path / "absent.onnx"
    done = subprocess.run([program, absent, absent], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "absent.onnx" in done.stderr
