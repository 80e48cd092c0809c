"""The steps of the experiment: each is an earlier step with one change."""

from dataclasses import dataclass, replace

from spotlet_training.localization.recipe import Recipe

BEFORE, AFTER, BEST = "before", "weight-5", "best"

DOMINATED_WEIGHT = 0.1
"""Weight of the box loss at first; the publication says only that the class loss dominated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the ladder.

    Attributes:
        name: short; files of its runs have it too.
        change: from its parent, in words.
        parent: name of that step; empty for the first.
        recipe: complete.
    """

    name: str
    change: str
    parent: str
    recipe: Recipe


def ladder(epochs: int = 30) -> tuple[Step, ...]:
    """Returns the steps, in order.

    Args:
        epochs: of every step; the published experiment allows 30.
    """
    before = Recipe(epochs=epochs, box_weight=DOMINATED_WEIGHT)
    even = replace(before, box_weight=1.0)
    weighted = replace(before, box_weight=5.0)
    dropped = replace(weighted, network=replace(weighted.network, dropout=0.3))
    overlap = replace(weighted, box_loss="corners-giou")
    settled = replace(weighted, schedule="cosine")
    integral = replace(settled, network=replace(settled.network, trunk="integral"))
    overlapping = replace(integral, box_loss="corners-giou")
    best = replace(overlapping, mirrored=True)
    return (
        _step(BEFORE, "", f"as published, box weight {DOMINATED_WEIGHT}", before),
        _step("weight-1", BEFORE, "box weight 1", even),
        _step(AFTER, BEFORE, "box weight 5", weighted),
        _step("dropout", AFTER, "dropout 0.3 after the convolutions", dropped),
        _step("iou-loss", AFTER, "1 - GIoU beside Smooth-L1", overlap),
        _step("decay", AFTER, "the learning rate falls to 0", settled),
        _step("integral", "decay", "fully convolutional, sides from heatmaps", integral),
        _step("integral-iou", "integral", "1 - GIoU beside Smooth-L1", overlapping),
        _step(BEST, "integral-iou", "every other scene mirrored", best),
    )


def _step(name: str, parent: str, change: str, recipe: Recipe) -> Step:
    return Step(name=name, change=change, parent=parent, recipe=recipe)
