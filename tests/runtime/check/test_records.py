import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spotlet.boxes import FloatArray
from spotlet.check.records import Digest, digest, finite_numbers, sample_indices

UNIT = st.floats(0, 1, width=32)
TENSORS = arrays.arrays(np.float32, (70, 4), elements=UNIT)


def test_a_digest_is_what_one_counts_by_hand() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    result = digest(values, samples=12, runs=3)
    assert result.shape == (3, 4)
    assert result.sample.tolist() == list(range(12))
    assert result.means.tolist() == [1.5, 5.5, 9.5]
    assert result.peaks.tolist() == [3, 7, 11]


def test_an_array_of_fewer_elements_is_kept_whole() -> None:
    result = digest(np.array([[0.25, 0.5]], np.float32))
    assert result.sample.tolist() == result.means.tolist() == result.peaks.tolist() == [0.25, 0.5]


def test_runs_of_bytes_do_not_overflow() -> None:
    result = digest(np.full((40, 50, 3), 255, np.uint8), samples=9, runs=4)
    assert result.means.tolist() == [255.0] * 4
    assert result.sample.tolist() == [255.0] * 9


def test_the_sample_is_the_same_on_every_machine() -> None:
    assert sample_indices(100, 5).tolist() == [12, 24, 57, 69, 81]
    assert sample_indices(3, 5).tolist() == [0, 1, 2]
    assert sample_indices(0, 5).tolist() == []


@given(st.integers(1, 400_000), st.integers(1, 300))
def test_the_sample_has_one_index_in_each_stretch(size: int, count: int) -> None:
    indices = sample_indices(size, count)
    stretches = [number * size // len(indices) for number in range(len(indices) + 1)]
    assert len(indices) == min(size, count)
    assert (np.array(stretches[:-1]) <= indices).all()
    assert (indices < np.array(stretches[1:])).all()


@pytest.mark.parametrize("side", [96, 256, 320, 384, 640])
def test_the_sample_of_a_canvas_leaves_out_no_colour_and_no_part_of_the_width(side: int) -> None:
    indices = sample_indices(side * side * 3, 256)
    assert np.bincount(indices % 3).min() > 256 / 3 * 0.7
    eighths = np.bincount(indices // 3 % side * 8 // side, minlength=8)
    assert eighths.min() > 256 / 8 * 0.5


@given(TENSORS, TENSORS)
def test_digests_differ_by_no_more_than_the_arrays(one: FloatArray, other: FloatArray) -> None:
    rounding = 2e-7
    difference = digest(one, 20, 7).difference(digest(other, 20, 7))
    assert difference <= np.abs(one - other).max() + rounding
    assert digest(one, 20, 7).difference(digest(one.copy(), 20, 7)) == 0


@given(TENSORS, st.integers(0, 279))
def test_one_higher_peak_anywhere_shows(tensor: FloatArray, index: int) -> None:
    raised = tensor.copy()
    raised.flat[index] = 1.5
    assert digest(tensor, 20, 7).difference(digest(raised, 20, 7)) >= 0.5 - 1e-6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("index", [0, 41, 279])
def test_one_value_that_is_no_number_shows_wherever_it_is(value: float, index: int) -> None:
    sound = np.linspace(0, 1, 280, dtype=np.float32).reshape(70, 4)
    broken = sound.copy()
    broken.flat[index] = value
    assert not digest(sound, 20, 7).difference(digest(broken, 20, 7)) <= 1e9
    assert not digest(broken, 20, 7).difference(digest(broken, 20, 7)) <= 1e9


def test_another_shape_is_infinitely_far() -> None:
    values = np.zeros((6, 2), np.float32)
    assert digest(values).difference(digest(values.reshape(3, 4))) == np.inf
    assert digest(values).difference(digest(values, samples=3)) == np.inf


@given(TENSORS)
def test_json_keeps_a_digest(tensor: FloatArray) -> None:
    result = digest(tensor)
    read = Digest.from_json(json.loads(json.dumps(result.to_json())))
    assert read.shape == result.shape
    assert read.difference(result) == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sample", None),
        ("sample", 3),
        ("sample", ["0.5"]),
        ("means", [True]),
        ("means", [[0.5]]),
        ("peaks", [float("nan")]),
        ("peaks", [float("inf")]),
        ("peaks", [10**400]),
        ("shape", ["2", 3]),
        ("more", [1]),
    ],
)
def test_what_is_no_digest_is_refused(key: str, value: object) -> None:
    content: dict[str, Any] = digest(np.zeros((2, 3), np.float32)).to_json()
    with pytest.raises(ValueError, match=r"number|unknown key 'more'"):
        Digest.from_json({**content, key: value})


def test_a_digest_without_a_key_or_of_another_kind_is_refused() -> None:
    content = digest(np.zeros((2, 3), np.float32)).to_json()
    del content["means"]
    with pytest.raises(ValueError, match="digest: missing key 'means'"):
        Digest.from_json(content)
    others: list[object] = [[], None, "text"]
    for bad in others:
        with pytest.raises(ValueError, match="digest: must be a JSON object"):
            Digest.from_json(bad)


def test_a_list_of_numbers_is_float64() -> None:
    assert finite_numbers([1, 2.5]).dtype == np.float64
    assert finite_numbers([]).shape == (0,)
