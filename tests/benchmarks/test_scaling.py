import doctest
import importlib

import pytest
from benchmarks.scaling.law import exponent
from benchmarks.scaling.stages import Row, synthetic_outputs

from spotlet.letterbox import Letterbox
from spotlet.manifest import DetectionRule
from spotlet.postprocess import detections_from_outputs


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_the_exponent_is_that_of_the_power_law(power: float) -> None:
    sizes = [1, 3, 10, 100]
    assert exponent(sizes, [7 * size**power for size in sizes]) == pytest.approx(power)


def test_the_cost_at_nothing_is_taken_off() -> None:
    row = Row("stage", "objects", (0, 10, 100), ("0", "10", "100"), (5.0, 25.0, 205.0))
    assert row.grown == ([10, 100], [20.0, 200.0])
    assert exponent(*row.grown) == pytest.approx(1)


@pytest.mark.parametrize("objects", [0, 10, 300])
@pytest.mark.parametrize("classes", [1, 365])
def test_the_synthetic_tensors_hold_so_many_objects(objects: int, classes: int) -> None:
    boxes, scores = synthetic_outputs(objects, classes)
    names = tuple(map(str, range(classes)))
    letterbox = Letterbox((720, 1280), (320, 320))
    found = detections_from_outputs(boxes, scores, letterbox, names, DetectionRule())
    assert len(found) == objects
    assert len(set(found.class_ids.tolist())) == min(objects, classes)


@pytest.mark.parametrize(
    "name",
    ["scaling.law", "peers.steady", "peers.environment", "peers.comparison", "installed_size"],
)
def test_examples_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"benchmarks.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
