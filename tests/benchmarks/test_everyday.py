"""The benchmark that compares detectors: whose classes count, and its table."""

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from benchmarks.everyday import measured_accuracy, named, shared_classes
from benchmarks.peers.detector_report import Comparison, as_json, as_markdown
from benchmarks.peers.detectors import (
    Program,
    empty_runner,
    median_milliseconds,
    named_bytes,
    opened_model,
)

from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.letterbox import ImageArray
from spotlet_training.datasets import Dataset, open_splits


def program(name: str, class_names: Sequence[str], found: Sequence[Detections] = ()) -> Program:
    """Returns a detector that gives one after another, whatever the frame shows."""
    answers = iter(found)

    def find(frame_bgr: ImageArray) -> Detections:
        return next(answers)

    return Program(
        name=name,
        about="a test",
        class_names=tuple(class_names),
        size_bytes=1234567,
        find=find,
        show=find,
    )


def perfect(dataset: Dataset, class_names: tuple[str, ...]) -> list[Detections]:
    """Returns all objects of a set, by the class ids of a program that has these classes."""
    new_ids = np.array([class_names.index(name) for name in dataset.class_names])
    samples = [dataset.load(index) for index in range(len(dataset))]
    return [
        Detections(
            each.boxes_xyxy,
            np.ones(len(each.class_ids), np.float32),
            new_ids[each.class_ids],
            class_names,
        )
        for each in samples
    ]


def test_classes_are_matched_by_name_and_those_that_the_set_lacks_do_not_count(
    shapes_folder: Path,
) -> None:
    dataset = open_splits(shapes_folder).val
    own = dataset.class_names
    more = ("cow", *reversed(own))
    found = perfect(dataset, more)
    cow = Detections(
        np.array([[0, 0, 9, 9]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), more
    )
    found[0] = cow
    programs = [program("same", own, perfect(dataset, own)), program("more", more, found)]
    accuracy = measured_accuracy(programs, dataset)
    assert accuracy["same"].ap50 == pytest.approx(1)
    missed = accuracy["more"].ap50
    assert missed is not None
    assert 0.5 < missed < 1  # all but the first picture's
    assert accuracy["more"].per_class_objects == accuracy["same"].per_class_objects


def test_the_classes_compared_are_those_that_all_know() -> None:
    programs = [program("a", ("dog", "cat", "cow")), program("b", ("cat", "dog", "bus"))]
    assert shared_classes(programs, ("bus", "cat", "dog"), None) == ["dog", "cat"]
    assert shared_classes(programs, ("bus", "cat", "dog"), "cat") == ["cat"]
    with pytest.raises(UsageError, match=r"classes bus: .* share dog, cat"):
        shared_classes(programs, ("bus", "cat", "dog"), "cat,bus")
    with pytest.raises(UsageError, match=r"classes none: .* share none"):
        shared_classes(programs, ("card",), None)


def comparison(dataset: Dataset, least: int) -> Comparison:
    own = dataset.class_names
    programs = [program("best", own, perfect(dataset, own))]
    programs.append(program("blind", own, [Detections.none(own)] * len(dataset)))
    return Comparison(
        data="shapes",
        pictures=len(dataset),
        known=dict.fromkeys(own, 3),
        least=least,
        programs=programs,
        accuracy=measured_accuracy(programs, dataset),
        milliseconds={"best": 4.25, "blind": 0.04},
        pipe_milliseconds=0.5,
    )


def test_the_table_has_a_row_for_each_class_and_the_mean_of_those_with_enough_objects(
    shapes_folder: Path,
) -> None:
    measured = comparison(open_splits(shapes_folder).val, least=1)
    names, counts = list(measured.objects), list(measured.objects.values())
    lines = as_markdown(measured).splitlines()
    assert lines[0] == "| AP50 | objects | pictures | best | blind |"
    assert lines[2] == f"| {names[0]} | {counts[0]} | 3 | 1.000 | 0.000 |"
    assert f"| **mean of {len(names)}** |  |  | 1.000 | 0.000 |" in lines
    assert "| ms a frame, one thread |  |  | 4.2 | 0.0 |" in lines
    assert "| bytes |  |  | 1,234,567 | 1,234,567 |" in lines
    assert any("its pipe: 0.5 ms" in line for line in lines)
    few = comparison(open_splits(shapes_folder).val, least=10**6)
    assert "| **mean of 0** |  |  | - | - |" in as_markdown(few)
    record = json.loads(as_json(measured))
    assert {"date", "machine", "versions"} < set(record)
    assert record["objects"] == measured.objects
    assert [each["mean_ap50"] for each in record["programs"]] == [pytest.approx(1), 0]


def test_bytes_are_those_of_the_files_that_a_command_names(tmp_path: Path) -> None:
    for name, size in (("net.param", 10), ("net.bin", 700), ("run.py", 5000)):
        (tmp_path / name).write_bytes(bytes(size))
    words = [str(tmp_path / name) for name in ("run.py", "net.param", "net.bin", "lacking")]
    assert named_bytes(" ".join([sys.executable, *words, "x" * 5000])) == 710


def test_a_name_and_a_value_are_needed() -> None:
    assert named("a b=env X=1 program") == ("a b", "env X=1 program")
    with pytest.raises(UsageError, match="'everyday': must be a name"):
        named("everyday")


@pytest.mark.live
def test_the_time_of_a_pipe_is_measured_beside_that_of_a_model() -> None:
    frames = [np.zeros((48, 64, 3), np.uint8)]
    with ExitStack() as stack:
        programs = [opened_model("int8", "cards:int8"), empty_runner(stack)]
        milliseconds = median_milliseconds(programs, frames, rounds=1)
    assert set(milliseconds) == {"int8", ""}
    assert all(each > 0 for each in milliseconds.values())
