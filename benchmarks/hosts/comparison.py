"""Compares other hosts with Python: `python -m benchmarks.hosts.comparison MODEL ...`."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
from benchmarks.hosts import browser_host, c_host
from benchmarks.hosts.found import HostAbsentError, Row, detections_of, pictures

from spotlet import Detector
from spotlet.check.agreement import agree
from spotlet.image_files import read_image
from spotlet.letterbox import ImageArray
from spotlet.model import locate_model
from spotlet_export import with_suppression

Host = Callable[[Path, Mapping[str, ImageArray]], dict[str, list[Row]]]
PHOTOGRAPH = Path(__file__).parents[2] / "docs" / "frame.jpg"


def in_c(model: Path, images: Mapping[str, ImageArray]) -> dict[str, list[Row]]:
    """Returns the C example's detections in each picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return c_host.detect(c_host.build(folder), model, images, folder)


HOSTS: Mapping[str, Host] = {"browser": browser_host.detect, "C": in_c}


def main(models: list[str]) -> None:
    """Prints a row for each model and host, over all pictures."""
    images = pictures(read_image(PHOTOGRAPH))
    print("| model | host | pictures | boxes | unmatched | least IoU | greatest score difference |")
    print("|---|---|---|---|---|---|---|")
    for name in models:
        detector = Detector(name)
        wanted = {picture: detector(image) for picture, image in images.items()}
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model.end2end.onnx"
            onnx.save(with_suppression(onnx.load(locate_model(name))), model)
            for host, run in HOSTS.items():
                try:
                    rows = run(model, images)
                except HostAbsentError as error:
                    print(f"| {name} | {host} | {error} |")
                    continue
                agreements = [
                    agree(wanted[picture], detections_of(rows[picture], detector.class_names))
                    for picture in images
                ]
                print(
                    f"| {name} | {host} | {len(images)} | {sum(map(len, wanted.values()))} "
                    f"| {sum(item.unmatched for item in agreements)} "
                    f"| {min(item.least_iou for item in agreements):.5f} "
                    f"| {max(item.score_difference for item in agreements):.5f} |"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
