"""Default pixels are checked where they find something: wrong names must not pass unasked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from region_networks import BOXES, Box, Region, make_frame, network

from spotlet import Detector
from spotlet.cli import main
from spotlet_export.adoption.trials.name_differences import Difference, named_by_colour
from spotlet_export.adoption.trials.trials import Trials

SWAPPED = ("red", "yellow", "blue", "cyan")
"""Names of which two change places where red and blue do."""

PLAIN = "apple,lemon,plum,sky"
"""The same, without colours in them."""

GREEN: dict[str, Box] = {"red": BOXES["red"], "green": BOXES["yellow"]}
"""Boxes of which one is the same in both orders."""

Adopt = Callable[..., tuple[int, str, str]]


@pytest.fixture
def adopt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Adopt:
    """Runs the command on a network; returns the exit code, the output and the error."""

    def run(
        make: Region,
        *words: str,
        names: str = PLAIN,
        metadata: dict[str, str] | None = None,
        boxes: dict[str, Box] = BOXES,
    ) -> tuple[int, str, str]:
        model = network(make)
        for key, value in (metadata or {}).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.save(model, tmp_path / "model.onnx")
        cv2.imwrite(str(tmp_path / "frame.png"), make_frame(boxes))
        files = ["--out", str(tmp_path / "package"), "--image", str(tmp_path / "frame.png")]
        code = main(["adopt", str(tmp_path / "model.onnx"), *files, "--classes", names, *words])
        captured = capsys.readouterr()
        assert (tmp_path / "package").exists() is (code == 0)
        return code, captured.out, captured.err

    return run


def found_names(package: Path, boxes: dict[str, Box] = BOXES) -> set[str]:
    return {each.name for each in Detector(package)(make_frame(boxes))}


@pytest.mark.parametrize("consent", [[], ["--yes"]])
@pytest.mark.parametrize("colour", ["RGB", "BGR"])
def test_where_names_depend_on_the_colour_order_it_must_be_said(
    adopt: Adopt, tmp_path: Path, colour: str, consent: list[str]
) -> None:
    make = Region(classes=SWAPPED, colour=colour)
    code, _, error = adopt(make, *consent)
    assert code == 3
    assert "the names differ (" in error
    assert "apple or plum" in error or "plum or apple" in error
    assert "give --colour RGB or --colour BGR" in error
    assert adopt(make, "--colour", colour)[0] == 0
    assert found_names(tmp_path / "package") == {"apple", "lemon"}


def test_names_that_are_colours_tell_the_order_by_the_picture(adopt: Adopt, tmp_path: Path) -> None:
    names = ",".join(SWAPPED)
    code, output, _ = adopt(Region(classes=SWAPPED), names=names)
    assert (code, "the images cannot tell" in output) == (0, False)
    assert found_names(tmp_path / "package") == {"red", "yellow"}


def test_where_the_default_contradicts_such_names_the_other_order_is_proposed(
    adopt: Adopt, tmp_path: Path
) -> None:
    make, names = Region(classes=SWAPPED, colour="BGR"), ",".join(SWAPPED)
    code, output, error = adopt(make, names=names)
    assert code == 3
    assert "names of colours fit the images with other pixels than the default" in error
    assert "with --colour BGR it finds 2 objects" in error
    assert output.rstrip().splitlines()[-1].endswith(" --colour BGR")
    code, _, _ = adopt(make, "--yes", names=names)
    assert code == 0
    assert found_names(tmp_path / "package") == {"red", "yellow"}


def test_an_exporter_whose_pixels_are_known_is_not_asked(adopt: Adopt) -> None:
    names = {"author": "Ultralytics", "names": str(dict(enumerate(PLAIN.split(","))))}
    assert adopt(Region(classes=SWAPPED), metadata=names)[0] == 0


def test_what_the_user_said_is_not_checked(adopt: Adopt) -> None:
    make = Region(classes=SWAPPED)
    code, _, error = adopt(make, "--scale", "1/255")
    assert (code, "give --colour RGB or --colour BGR" in error) == (3, True)
    code, _, error = adopt(make, "--colour", "RGB", "--scale", "1/255")
    assert (code, "checking colour order" in error) == (0, False)


def test_pixels_with_which_more_is_found_are_proposed(adopt: Adopt, tmp_path: Path) -> None:
    """Green is the same in both orders; red is found in the right one alone."""
    make, names = Region(colour="BGR"), "apple,lemon,plum"
    code, _, error = adopt(make, names=names, boxes=GREEN)
    assert code == 3
    assert (
        "other pixels suit the images better than the default (if --colour RGB is right, say so)"
        in error
    )
    assert "with --colour BGR it finds 2 objects" in error
    assert adopt(make, "--yes", names=names, boxes=GREEN)[0] == 0
    assert found_names(tmp_path / "package", GREEN) == {"apple", "plum"}
    assert adopt(make, "--colour", "RGB", names=names, boxes=GREEN)[0] == 0


def test_colours_that_do_not_change_the_names_are_only_remarked(adopt: Adopt) -> None:
    code, output, _ = adopt(Region(classes=("green",)), names="plum", boxes=GREEN)
    assert code == 0
    assert "pixels: --colour RGB --scale 1/255 by default; the images cannot tell" in output
    assert "from --colour BGR, with which the names are the same" in output


def test_the_check_takes_few_runs(adopt: Adopt, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    parts = Trials.parts

    def counted(self: Trials, *given: Any) -> Any:
        runs.append(given)
        return parts(self, *given)

    monkeypatch.setattr(Trials, "parts", counted)
    assert adopt(Region(classes=SWAPPED))[0] == 3
    assert 0 < len(runs) <= 12


def picture(red: int, blue: int) -> np.ndarray[Any, Any]:
    image = np.full((40, 40, 3), 120, np.uint8)
    image[10:30, 10:30] = (blue, 30, red)
    return image


@pytest.mark.parametrize(
    ("own", "rival", "red", "blue", "fits"),
    [
        ("red_disc", "blue_disc", 200, 20, 1),
        ("red_disc", "blue_disc", 20, 200, -1),
        ("Blue light", "Red light", 20, 200, 1),
        ("disc", "blue_disc", 200, 20, 0),
        ("red or blue", "blue", 200, 20, 0),
        ("bored", "blued", 200, 20, 0),
        ("red", "blue", 100, 98, 0),
        ("red", "orange", 200, 20, 0),
    ],
)
def test_names_fit_the_colour_of_their_box(
    own: str, rival: str, red: int, blue: int, fits: int
) -> None:
    box = np.array([10, 10, 30, 30], np.float32)
    images = [picture(red, blue)]
    assert named_by_colour([Difference(own, rival, 0, box, True)], images) == fits


def test_names_of_which_one_contradicts_the_others_tell_nothing() -> None:
    box = np.array([10, 10, 30, 30], np.float32)
    images = [picture(200, 20), picture(200, 20)]
    differ = [
        Difference("red", "blue", 0, box, True),
        Difference("blue", "red", 1, box, True),
    ]
    assert named_by_colour(differ, images) == 0
    assert named_by_colour([], images) == 0
