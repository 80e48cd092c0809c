"""The validation split of a set without one: stratified, stable, equal files together."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spotlet_training.datasets.labels import ImageLabels, LabelRow
from spotlet_training.datasets.splitting import choose_validation


def image(name: str, *class_ids: int, ignored: bool = False) -> ImageLabels:
    rows = [LabelRow((0, 0, 1, 1), class_id, ignored, 1) for class_id in class_ids]
    return ImageLabels.from_rows(Path(name), rows, Path("a.txt"))


def split(
    labels: list[ImageLabels],
    own_train: Sequence[ImageLabels] = (),
    own_val: Sequence[ImageLabels] = (),
) -> tuple[list[ImageLabels], list[ImageLabels]]:
    val, _ = choose_validation(labels, own_train, own_val)
    return [one for one in labels if one not in val], [one for one in labels if one in val]


def images_by_class(labels: list[ImageLabels]) -> Counter[int]:
    return Counter(each for one in labels for each in set(one.class_ids.tolist()))


@pytest.mark.parametrize("seed", range(40))
def test_every_class_that_can_be_in_both_splits_is_and_in_fair_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = [0.9, 0.4, 0.1, 0.04]
    labels = [
        image(f"{seed}-{n}.jpg", *np.flatnonzero(rng.random(4) < shares).tolist())
        for n in range(int(rng.integers(8, 120)))
    ]
    train, val = split(labels)
    assert sorted(one.path for one in (*train, *val)) == sorted(one.path for one in labels)
    whole, learnt, measured = (images_by_class(part) for part in (labels, train, val))
    for class_id, count in whole.items():
        assert learnt[class_id] >= 1
        assert measured[class_id] >= min(count - 1, 1)
        if count >= 10:
            assert 0.05 <= measured[class_id] / count <= 0.5


@pytest.mark.parametrize("places", [(0, 1, 2), (3, 7, 11), (4, 5, 19), (17, 18, 19)])
def test_a_class_in_three_images_has_one_to_measure_on(places: tuple[int, ...]) -> None:
    labels = [image(f"p{n:03}.jpg", 0, *([1] if n in places else [])) for n in range(20)]
    train, val = split(labels)
    assert (images_by_class(train)[1], images_by_class(val)[1]) == (2, 1)


def test_a_class_in_one_image_is_learnt_and_not_measured() -> None:
    for place in range(12):
        labels = [image(f"p{n}.jpg", 0, *([1] if n == place else [])) for n in range(12)]
        train, val = split(labels)
        assert (images_by_class(train)[1], images_by_class(val)[1]) == (1, 0)
        assert val


def test_ignored_objects_do_not_count() -> None:
    _, plain = split([image(f"p{n}.jpg") for n in range(10)])
    crowds = [image(f"p{n}.jpg", n, ignored=True) for n in range(10)]
    assert [one.path for one in split(crowds)[1]] == [one.path for one in plain]


def test_equal_files_are_in_one_split(tmp_path: Path) -> None:
    labels = []
    for number in range(24):
        for copy in ("a", "b"):
            path = tmp_path / f"{copy}{number}.jpg"
            path.write_bytes(bytes([number]) * 50)
            labels.append(image(str(path), 0))
    train, val = split(labels)
    contents = [{one.path.read_bytes() for one in part} for part in (train, val)]
    assert not contents[0] & contents[1]
    assert 0.1 < len(val) / len(labels) < 0.35


def test_files_that_are_alike_in_a_part_are_not_equal(tmp_path: Path) -> None:
    paths = [tmp_path / f"{copy}{number}.bmp" for number in range(24) for copy in ("a", "b")]
    _, absent = split([image(str(path), 0) for path in paths])
    for path in paths:
        path.write_bytes(path.name[:1].encode() + path.name[1:].encode() * 2000)
    _, present = split([image(str(path), 0) for path in paths])
    assert [one.path for one in present] == [one.path for one in absent]


@pytest.mark.parametrize("equal", [True, False])
def test_two_images_are_one_each(equal: bool, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(b"a" if equal else bytes([number]))
    labels = [image(str(tmp_path / f"{number}.jpg"), 0) for number in range(2)]
    train, val = split(labels)
    assert (len(train), len(val)) == (1, 1)


def test_copies_of_a_picture_that_has_a_split_go_with_it(tmp_path: Path) -> None:
    def copies(folder: str) -> list[ImageLabels]:
        (tmp_path / folder).mkdir()
        for number in range(20):
            (tmp_path / folder / f"{number}.jpg").write_bytes(bytes([number]) * 50)
        return [image(str(tmp_path / folder / f"{number}.jpg"), 0) for number in range(20)]

    own, labels = copies("own"), copies("other")
    train, val = split(labels, own[:7], own[7:14])
    assert {*labels[:7]} <= {*train}
    assert {*labels[7:14]} <= {*val}
    assert 0 < len([one for one in val if one in labels[14:]]) < 6  # chosen as in any set
    assert split(labels, own) == (labels, [])
    assert split(labels[:1], own[3:], own[1:3]) == (labels[:1], [])
