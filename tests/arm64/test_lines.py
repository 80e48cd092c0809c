import json
from pathlib import Path
from typing import Any

from arm64.check import TESTS
from arm64.lines import compare_lines

BAG = {"name": "bag", "score": 0.9, "box": [10.0, 20.0, 30.0, 40.0]}
COAT = {"name": "coat", "score": 0.8, "box": [50.0, 20.0, 70.0, 40.0]}


def lines(path: Path, *frames: list[dict[str, Any]]) -> Path:
    """Writes a run's NDJSON, with the status line that stands between frames."""
    events = [{"event": "status"}, *({"detections": frame} for frame in frames)]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def faults(tmp_path: Path, wanted: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[str]:
    one, other = lines(tmp_path / "wanted", wanted), lines(tmp_path / "found", found)
    return compare_lines(one, other).faults


def test_the_same_objects_in_another_order_are_the_same(tmp_path: Path) -> None:
    assert faults(tmp_path, [BAG, COAT], [COAT, BAG]) == []


def test_a_hundredth_of_a_pixel_is_allowed_and_two_are_not(tmp_path: Path) -> None:
    near = {**BAG, "box": [10.01, 20.0, 30.0, 40.0]}
    far = {**BAG, "box": [10.0, 20.0, 30.0, 40.02]}

    assert faults(tmp_path, [BAG], [near]) == []
    assert faults(tmp_path, [BAG], [far]) == ["a box differs by 0.02 px, allowed 0.01"]


def test_an_object_of_another_class_shows(tmp_path: Path) -> None:
    assert faults(tmp_path, [BAG], [{**BAG, "name": "coat"}]) == [
        "frame 0: ['coat'], wanted ['bag']"
    ]


def test_an_object_too_few_shows(tmp_path: Path) -> None:
    assert faults(tmp_path, [BAG, BAG], [BAG]) == ["frame 0: ['bag'], wanted ['bag', 'bag']"]


def test_a_missing_frame_and_no_frame_at_all_show(tmp_path: Path) -> None:
    two, one = lines(tmp_path / "two", [BAG], [BAG]), lines(tmp_path / "one", [BAG])
    none = lines(tmp_path / "none")

    assert compare_lines(two, one).faults == ["1 frames, wanted 2"]
    assert compare_lines(none, none).faults == ["0 frames, wanted 0"]


def test_the_greatest_differences_are_measured(tmp_path: Path) -> None:
    moved = {**COAT, "score": 0.7999, "box": [50.0, 20.0, 70.01, 40.0]}
    one, other = lines(tmp_path / "wanted", [BAG, COAT]), lines(tmp_path / "found", [BAG, moved])

    compared = compare_lines(one, other)

    assert (compared.frames, compared.objects) == (1, 2)
    assert (round(compared.box, 4), round(compared.score, 4)) == (0.01, 0.0001)


def test_the_tests_that_run_on_arm64_exist() -> None:
    folder = Path(__file__).parents[1] / "runtime"
    assert [name for name in TESTS if not (folder / f"{name}.py").is_file()] == []
