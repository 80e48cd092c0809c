"""The localization experiment: losses, runs, report and command."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from rectangles import rectangle_set

from spotlet.cli import main
from spotlet.errors import OutputError, UsageError
from spotlet_training.commands.experiment import chosen_steps, default_folder
from spotlet_training.localization.experiment import run_ladder
from spotlet_training.localization.figures import draw_box, draw_curves, draw_scenes
from spotlet_training.localization.ladder import AFTER, BEFORE, BEST, Step, ladder
from spotlet_training.localization.learning import EpochFigures, Outcome, learn
from spotlet_training.localization.measures import Measures, constant_box, measure
from spotlet_training.localization.recipe import (
    BOX_LOSSES,
    Recipe,
    box_loss,
    localization_loss,
)
from spotlet_training.localization.report import summarise, verdicts
from spotlet_training.localization.runs import Run, RunFolder, checkpoint_path
from spotlet_training.localization.scenes import (
    FrozenScenes,
    FrozenSet,
)
from spotlet_training.network import LocalizerSettings, RawLocalization, build_localizer
from spotlet_training.scenes import CLASS_NAMES

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def small_set() -> FrozenSet:
    return rectangle_set()


def small_recipe(trunk: str = "flat", **changes: object) -> Recipe:
    network = LocalizerSettings(class_count=len(CLASS_NAMES), size_hw=(64, 64), trunk=trunk)
    return replace(Recipe(network=network, epochs=2, batch_size=8), **changes)  # type: ignore[arg-type]


def test_losses_are_what_they_say() -> None:
    truth = torch.tensor([[0.2, 0.2, 0.6, 0.6]])
    moved = truth + 0.1
    assert float(box_loss(truth, truth, "corners-giou")) == pytest.approx(0, abs=1e-6)
    assert float(box_loss(moved, truth, "corners")) == pytest.approx(0.1**2 / 2)
    # Overlap 0.3 x 0.3, union 0.32 - 0.09, hull 0.5 x 0.5.
    giou = 0.09 / 0.23 - 0.02 / 0.25
    both = 0.1**2 / 2 + 1 - giou
    assert float(box_loss(moved, truth, "corners-giou")) == pytest.approx(both, abs=1e-5)


def test_a_box_that_is_inside_out_still_learns() -> None:
    inside_out = torch.tensor([[0.6, 0.6, 0.5, 0.5]], requires_grad=True)
    truth = torch.tensor([[0.2, 0.2, 0.9, 0.9]])
    for kind in BOX_LOSSES:
        (gradient,) = torch.autograd.grad(box_loss(inside_out, truth, kind), inside_out)
        assert bool((gradient[:, :2] > 0).all()), "the low sides go down"
        assert bool((gradient[:, 2:] < 0).all()), "the high sides go up"


def test_the_weight_weighs_the_box_loss_alone() -> None:
    prediction = RawLocalization(torch.zeros(1, 4), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    truth, class_ids = torch.tensor([[0.0, 0.0, 1.0, 0.5]]), torch.tensor([2])
    losses = [
        float(localization_loss(prediction, truth, class_ids, small_recipe(box_weight=weight)))
        for weight in (0.0, 1.0, 5.0)
    ]
    assert losses[0] == pytest.approx(np.log(4))
    assert losses[2] - losses[0] == pytest.approx(5 * (losses[1] - losses[0]))


def test_what_a_localizer_has_learned_is_measured_on_the_network_itself(
    small_set: FrozenSet,
) -> None:
    recipe = small_recipe(
        "integral", epochs=2, box_weight=5.0, box_loss="corners-giou", schedule="cosine",
        learning_rate=1e-3,
    )  # fmt: skip
    figures: list[EpochFigures] = []
    network, outcome = learn(
        recipe, small_set, 0, CPU, torch.float32, lambda _, each: figures.append(each)
    )
    assert outcome.epochs == tuple(figures)
    assert len(figures) == 2
    assert outcome.val == measure(network, small_set.val)
    assert not network.training


def test_a_run_is_repeatable(small_set: FrozenSet) -> None:
    first, second = (learn(small_recipe(), small_set, 3, CPU, torch.float32)[1] for _ in range(2))
    assert first.epochs == second.epochs
    other = learn(small_recipe(), small_set, 4, CPU, torch.float32)[1]
    assert other.epochs != first.epochs


def test_measures_count_what_they_say() -> None:
    class Fixed(torch.nn.Module):
        device = CPU

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            boxes = torch.tensor([0.0, 0.0, 0.5, 1.0]).expand(len(images), 1, 4)
            scores = torch.tensor([0.9, 0.1]).expand(len(images), 1, 2)
            return boxes, scores

    boxes = torch.tensor([[0, 0, 0.5, 1], [0, 0, 1, 1], [0, 0, 0.5, 0.4], [0.5, 0, 1, 1]])
    scenes = FrozenScenes(
        torch.zeros((4, 8, 8, 3), dtype=torch.uint8), boxes, torch.tensor([0, 0, 1, 0])
    )
    found = measure(Fixed(), scenes)  # type: ignore[arg-type]
    assert found.accuracy == 0.75
    assert found.iou == pytest.approx((1 + 0.5 + 0.4 + 0) / 4)
    assert (found.over_50, found.over_75) == (0.5, 0.25)
    # Mean errors of the four sides: -1/8, 0, -1/4, +3/20.
    assert found.common_error == pytest.approx((0.125 + 0 + 0.25 + 0.15) / 4)


def small_ladder() -> tuple[Step, ...]:
    first = Step(name=BEFORE, change="-", parent="", recipe=small_recipe())
    last = Step(name=BEST, change="all", parent=BEFORE, recipe=small_recipe("integral"))
    return first, last


def test_a_finished_run_is_not_trained_again(small_set: FrozenSet, tmp_path: Path) -> None:
    told: list[tuple[str, int, bool]] = []

    def go(steps: tuple[Step, ...], seeds: int) -> list[Run]:
        folder = RunFolder(tmp_path, small_set, CPU, torch.float32)
        return run_ladder(
            steps, seeds, folder, on_run=lambda run, found: told.append((run.step, run.seed, found))
        )

    first = go(small_ladder(), 1)
    checkpoint_path(tmp_path, BEST, 0).unlink()  # as if it was interrupted here
    again = go(small_ladder(), 2)
    assert [found for _, _, found in told] == [False, False, True, False, False, False]
    assert again[0] == first[0]
    assert again[1].outcome.epochs == first[1].outcome.epochs
    shutil.copy(checkpoint_path(tmp_path, BEFORE, 0), checkpoint_path(tmp_path, BEST, 0))
    go(small_ladder(), 1)
    assert told[-1] == (BEST, 0, False), "another run's checkpoint is not this one's"
    other = replace(small_ladder()[0], recipe=small_recipe(box_weight=2.0))
    with pytest.raises(UsageError, match="another --out"):
        go((other,), 1)


def test_a_folder_that_cannot_be_made_is_told_before_training(
    small_set: FrozenSet, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    trained: list[object] = []
    with pytest.raises(OutputError, match="another --out"):
        run_ladder(
            small_ladder(), 1, RunFolder(tmp_path / "file", small_set, CPU, torch.float32),
            on_epoch=lambda *figures: trained.append(figures),
        )  # fmt: skip
    assert not trained


def test_the_mean_box_looks_at_no_picture(small_set: FrozenSet) -> None:
    found = constant_box(small_set)
    blind = replace(small_set, val=replace(small_set.val, images=small_set.val.images * 0))
    assert found == constant_box(blind)
    assert found.accuracy == 0.5
    assert 0.1 < found.iou < 0.5


def outcome_of(accuracy: float, iou: float, parameters: int) -> Outcome:
    measures = Measures(accuracy=accuracy, iou=iou, over_50=0.5, over_75=0.1, common_error=0.0)
    return Outcome(epochs=(), train=measures, val=measures, parameters=parameters, seconds=1.0)


def test_verdicts_are_of_the_means_and_can_fail() -> None:
    steps = tuple(step for step in ladder() if step.name in (BEFORE, AFTER, BEST))
    figures = {
        BEFORE: [(0.9, 0.40), (0.8, 0.44)],
        AFTER: [(0.9, 0.60), (0.9, 0.64)],
        BEST: [(0.9, 0.95), (0.95, 0.80)],
    }
    runs = [
        Run(name, seed, outcome_of(*each, 100 if name == BEST else 200), {})
        for name, pair in figures.items()
        for seed, each in enumerate(pair)
    ]
    summaries = summarise(steps, runs)
    assert [round(each.val_iou.mean, 3) for each in summaries] == [0.42, 0.62, 0.875]
    assert summaries[0].val_iou.spread == pytest.approx(0.04 / np.sqrt(2))
    lines = {(each.step, each.condition): each.holds for each in verdicts(summaries)}
    assert lines == {
        (BEFORE, "IoU 0.420 <= 0.45"): True,
        (BEFORE, "accuracy 0.850 >= 0.85"): True,
        (BEFORE, "30 <= 30 epochs"): True,
        (AFTER, "IoU 0.620 >= 0.61"): True,
        (AFTER, "accuracy 0.900 >= 0.87"): True,
        (AFTER, "30 <= 30 epochs"): True,
        (BEST, "IoU 0.875 >= 0.90"): False,
        (BEST, "accuracy 0.925 >= 0.90"): True,
        (BEST, "30 <= 30 epochs"): True,
        (BEST, "100 < 1,840,110 parameters"): True,
    }


def leaves(settings: dict[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in settings.items() if not isinstance(value, dict)}
    return flat | {f"network {key}": value for key, value in settings["network"].items()}


def test_every_step_is_one_change_of_an_earlier_one() -> None:
    steps = ladder()
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    for number, step in enumerate(steps):
        assert step.recipe.epochs <= 30
        if number == 0:
            continue
        parent = steps[names.index(step.parent)]
        assert names.index(step.parent) < number
        mine, theirs = (leaves(asdict(each.recipe)) for each in (step, parent))
        assert len(mine.items() - theirs.items()) == 1, step.name


def test_the_command_goes_from_scenes_to_results(
    small_set: FrozenSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from spotlet_training.commands import experiment

    monkeypatch.setattr(experiment, "frozen_set", lambda *_, **__: small_set)
    monkeypatch.setattr(experiment, "ladder", lambda _: small_ladder())
    out = tmp_path / "out"
    words = ["experiment", "localization", "--quick", "--out", str(out), "--device", "cpu"]
    assert main([*words, "--steps", BEST]) == 0
    assert main([*words, "--steps", BEFORE]) == 0
    printed = capsys.readouterr().out
    assert "QUICK" in printed
    assert "holds" not in printed, "verdicts are of the experiment alone"
    assert f"spotlet export {out}/runs/best-0.safetensors" in printed
    results = json.loads((out / "results.json").read_text())
    assert results["quick"] is True
    assert results["scenes"]["sha256"] == small_set.digest
    assert [each["step"]["name"] for each in results["steps"]] == [BEFORE, BEST], "of both calls"
    assert len(results["runs"][0]["outcome"]["epochs"]) == 2
    assert results["runs"][0]["surroundings"]["torch"] == torch.__version__
    assert cv2.imread(str(out / "curves.png")) is not None
    scenes = cv2.imread(str(out / "scenes.png"))
    assert scenes is not None
    assert scenes.shape == (2 * (34 + 64), 6 * 64, 3)
    assert sorted(path.name for path in out.iterdir()) == [
        "curves.png", "results.json", "runs", "scenes.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words", [["--seeds", "0"], ["--steps", "before,magic"], ["--steps", ""], ["--device", "cuda"]]
)
def test_wrong_usage_is_told(words: list[str]) -> None:
    if words[1] == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert main(["experiment", "localization", *words]) == UsageError.exit_code


def test_steps_are_chosen_in_the_ladders_order() -> None:
    chosen = chosen_steps(ladder(), "best, before")
    assert [step.name for step in chosen] == [BEFORE, BEST]
    assert str(default_folder("photo", quick=True)) == "runs/localization-photo-quick"


def test_a_drawn_box_covers_the_pixels_that_it_says() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    draw_box(image, np.array([0.25, 0.25, 0.75, 0.75], np.float32), (1, 2, 3), 1)
    rows, columns = np.nonzero(image.any(axis=2))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (10, 5, 29, 14)
    assert not image[6:14, 11:29].any()
    before = image.copy()
    draw_box(image, np.array([0.5, 0.5, 0.2, 0.2], np.float32), (9, 9, 9), 1)
    np.testing.assert_array_equal(image, before)


def test_drawing_leaves_the_scenes_as_they_were(small_set: FrozenSet, tmp_path: Path) -> None:
    before = small_set.val.images.clone()
    network = build_localizer(small_recipe("integral").network).eval()
    draw_scenes([("one", network), ("two", network)], small_set, tmp_path / "scenes.png")
    assert torch.equal(small_set.val.images, before)


def test_pictures_that_cannot_be_written_are_told(small_set: FrozenSet, tmp_path: Path) -> None:
    (tmp_path / "curves.png").mkdir()
    with pytest.raises(OutputError, match="is not a file"):
        draw_curves(small_ladder(), [], tmp_path / "curves.png")
    network = build_localizer(small_recipe().network).eval()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"scenes\.png"):
        draw_scenes([("before", network)], small_set, tmp_path / "file" / "scenes.png")
