"""The variants that the benchmark of partial labels trains on."""

from pathlib import Path

from benchmarks.partial_labels import DECLARED, FULL, UNDECLARED, partial

from spotlet_training.datasets import open_splits

DISC = 1


def test_half_of_the_pictures_lose_a_class_and_only_the_declared_ones_say_so(
    shapes_folder: Path,
) -> None:
    splits = open_splits(shapes_folder)
    full, declared, undeclared = (
        partial(splits, DISC, variant, 0.5).labels for variant in (FULL, DECLARED, UNDECLARED)
    )
    assert [one.class_ids.tolist() for one in full] == [
        one.class_ids.tolist() for one in splits.train.labels
    ]
    lost = [one.unknown_ids == (DISC,) for one in declared]
    assert sum(lost) == len(full) / 2
    assert not any(one.unknown_ids for one in (*full, *undeclared))
    for before, after, other, is_partial in zip(full, declared, undeclared, lost, strict=True):
        kept = before.boxes_xyxy[before.class_ids != DISC] if is_partial else before.boxes_xyxy
        assert after.boxes_xyxy.tolist() == other.boxes_xyxy.tolist() == kept.tolist()
        assert len(after.places) == len(after.ignored) == len(after.class_ids) == len(kept)
