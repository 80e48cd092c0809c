"""What exporters say about their networks; the keys as their newest versions write them."""

from collections.abc import Mapping
from typing import Any

import onnx
import pytest
from region_networks import BOXES, Region, make_frame, network

from spotlet import Detector
from spotlet.image_files import write_image
from spotlet_export import AdoptSettings, adopt_package
from spotlet_export.adoption.exporters import LIBREYOLO, expected_by, with_exporter

ULTRALYTICS = {
    "author": "Ultralytics",
    "version": "8.4.190",
    "task": "detect",
    "stride": "32",
    "batch": "1",
    "imgsz": "[320, 320]",
    "end2end": "False",
}
LIBRE = {"libreyolo_version": "1.6.0", "schema_version": "1.0", "task": "detect"}


def expected(metadata: Mapping[str, str]) -> dict[str, Any]:
    return expected_by(metadata)[1]


def test_rt_detr_of_ultralytics_stretches_and_has_centres_in_fractions() -> None:
    yolo = ULTRALYTICS | {"head": "Detect", "description": "Ultralytics YOLO11n model"}
    assert expected(yolo) == {}
    for said in ({"head": "RTDETRDecoder"}, {"description": "Ultralytics rtdetr-l model"}):
        found = expected(ULTRALYTICS | said)
        assert found["resize"] == "stretch"
        assert (found["box_format"], found["box_unit"]) == ("cxcywh", "unit")
    assert expected({"head": "RTDETRDecoder", "author": "Somebody"}) == {}


def test_a_family_of_libreyolo_is_known_by_name() -> None:
    yolox = expected(LIBRE | {"model_family": "yolox"})
    assert yolox == {"resize": "letterbox_corner", "colour": "BGR", "scale": 1.0}
    assert expected({"model_family": "yolox"}) == {}
    assert expected(LIBRE | {"model_family": "unheard"}) == {}
    for family in LIBREYOLO:
        AdoptSettings(**expected(LIBRE | {"model_family": family}))


def test_the_letterbox_of_libreyolos_yolo9_is_where_the_file_says() -> None:
    yolo9 = LIBRE | {"model_family": "yolo9"}
    assert expected(yolo9)["resize"] == "letterbox_corner"
    assert expected(yolo9 | {"letterbox_pad": "topleft"})["resize"] == "letterbox_corner"
    assert expected(yolo9 | {"letterbox_pad": "center"})["resize"] == "letterbox"


@pytest.mark.parametrize(("size", "ranged"), [("atto", False), ("n", False), ("s", True)])
def test_the_range_of_libreyolos_deimv2_depends_on_its_size(size: str, ranged: bool) -> None:
    found = expected(LIBRE | {"model_family": "deimv2", "size": size})
    assert ("mean" in found) is ranged


def test_mean_and_std_in_the_metadata_are_read() -> None:
    said = {"norm_mean": "[0.5, 0.4, 0.3]", "norm_std": "[0.2, 0.2, 0.1]"}
    assert expected(said) == {"scale": 1 / 255, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1)}
    for odd in ("", "0.5", "[1, 2]", "[0.1, 0.2, true]", "[0.1, 0, 0.1]"):
        assert expected(said | {"norm_std": odd}) == {}


def test_what_the_user_said_counts_more() -> None:
    metadata = LIBRE | {"model_family": "rtmdet"}
    remarks: list[str] = []
    found = with_exporter(AdoptSettings(scale=1.0, resize="stretch"), metadata, remarks.append)
    assert (found.resize, found.scale, found.mean, found.std) == ("stretch", 1.0, None, None)
    assert found.colour == "BGR"
    assert remarks[0].startswith("the file's metadata says rtmdet of LibreYOLO: --")
    settings = AdoptSettings()
    assert with_exporter(settings, {}, remarks.append) is settings
    assert len(remarks) == 1


def test_a_file_of_a_known_family_needs_no_options(tmp_path: Any) -> None:
    model = network(Region(colour="BGR", scale=1.0))
    names = '{"0": "red", "1": "yellow", "2": "green"}'
    said = LIBRE | {"model_family": "yolox", "names": names}
    onnx.helper.set_model_props(model, said)
    onnx.save(model, tmp_path / "model.onnx")
    write_image(tmp_path / "frame.png", make_frame(BOXES))
    done = adopt_package(tmp_path / "model.onnx", tmp_path / "package", [tmp_path / "frame.png"])
    assert done.manifest.input.resize == "letterbox_corner"
    assert len(Detector(done.package)(make_frame(BOXES))) == 2
