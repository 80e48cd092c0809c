import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from shapes import Shapes

from spotlet.errors import CheckpointError, OutputError, UsageError
from spotlet.tiles import TileSettings
from spotlet_training.datasets import ImageLabels, LabelledImages
from spotlet_training.datasets.fingerprint import fingerprint
from spotlet_training.datasets.labels import LabelRow
from spotlet_training.learning.epochs import HISTORY, Epoch, Step
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.network.checkpoint import load_checkpoint
from spotlet_training.run_folder.state import LAST_STATE, load_state
from spotlet_training.training import BEST_CHECKPOINT, train

SETTINGS = TrainingSettings(
    epochs=4, size_hw=(64, 64), batch_size=4, device="cpu", average_share=0.5
)


class Killed(BaseException):
    """Ends a training where a signal could."""


def kill_in_step(epoch: int, step: int) -> Callable[[Step], None]:
    def kill(done: Step) -> None:
        if (done.epoch, done.step) == (epoch, step):
            raise Killed

    return kill


@pytest.fixture(scope="module")
def whole(shapes: Shapes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing stopped, and as it was after each epoch."""
    folder = tmp_path_factory.mktemp("whole")

    def keep(epoch: Epoch) -> None:
        shutil.copytree(folder / "run", folder / f"after-{epoch.number}")

    train(shapes, shapes, SETTINGS, folder / "run", on_epoch=keep)
    return folder


def assert_same_training(folder: Path, whole: Path) -> None:
    """All but the time that epochs took is the same, to the bit."""
    for name in (LAST_STATE, BEST_CHECKPOINT):
        mine, theirs = load_file(folder / name), load_file(whole / "run" / name)
        assert mine.keys() == theirs.keys()
        for key, tensor in mine.items():
            assert torch.equal(tensor, theirs[key]), (name, key)
    mine_state, their_state = (load_state(each / LAST_STATE) for each in (folder, whole / "run"))
    assert timeless(mine_state.epochs) == timeless(their_state.epochs)
    assert mine_state.numbers == their_state.numbers
    assert (
        load_checkpoint(folder / BEST_CHECKPOINT).training
        == load_checkpoint(whole / "run" / BEST_CHECKPOINT).training
    )
    rows, their_rows = (
        [line.rsplit(",", 2)[::2] for line in (each / HISTORY).read_text().splitlines()]
        for each in (folder, whole / "run")
    )
    assert rows == their_rows
    assert len(rows) == 1 + SETTINGS.epochs


def timeless(epochs: tuple[Epoch, ...]) -> list[Epoch]:
    return [replace(epoch, seconds=0.0) for epoch in epochs]


@pytest.mark.parametrize(("epoch", "step"), [(2, 1), (3, 3), (4, 4)])
def test_a_training_killed_within_an_epoch_resumes_as_if_it_had_not_been(
    epoch: int, step: int, shapes: Shapes, whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train(shapes, shapes, SETTINGS, tmp_path, on_step=kill_in_step(epoch, step))
    assert len(load_state(tmp_path / LAST_STATE).epochs) == epoch - 1
    epochs = train(shapes, shapes, SETTINGS, tmp_path, resume=True)
    assert [each.number for each in epochs] == [1, 2, 3, 4]
    assert_same_training(tmp_path, whole)


@pytest.mark.parametrize("ahead", [BEST_CHECKPOINT, HISTORY, LAST_STATE])
def test_a_training_killed_between_two_files_resumes_as_if_it_had_not_been(
    ahead: str, shapes: Shapes, whole: Path, tmp_path: Path
) -> None:
    # One file is of the second epoch already, or of a later one, the others of the first.
    shutil.copytree(whole / "after-1", tmp_path, dirs_exist_ok=True)
    shutil.copy(whole / "after-2" / ahead, tmp_path / ahead)
    if ahead == LAST_STATE:  # the best checkpoint is always written before
        shutil.copy(whole / "after-2" / BEST_CHECKPOINT, tmp_path / BEST_CHECKPOINT)
    train(shapes, shapes, SETTINGS, tmp_path, resume=True)
    assert_same_training(tmp_path, whole)


def test_a_training_killed_before_its_last_line_of_history_gets_it(
    shapes: Shapes, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole / "run", tmp_path, dirs_exist_ok=True)
    shutil.copy(whole / "after-3" / HISTORY, tmp_path / HISTORY)
    train(shapes, shapes, SETTINGS, tmp_path, resume=True)
    assert_same_training(tmp_path, whole)


def test_no_state_vouches_for_a_checkpoint_that_could_not_be_written(
    shapes: Shapes, tmp_path: Path
) -> None:
    (tmp_path / BEST_CHECKPOINT).mkdir()
    with pytest.raises(OutputError, match="is not a file"):
        train(shapes, shapes, SETTINGS, tmp_path)
    assert not (tmp_path / LAST_STATE).exists()


def test_a_training_stopped_after_every_epoch_is_the_same_too(
    shapes: Shapes, whole: Path, tmp_path: Path
) -> None:
    def kill(_: Epoch) -> None:
        raise Killed

    for number in range(SETTINGS.epochs):
        with pytest.raises(Killed):
            train(shapes, shapes, SETTINGS, tmp_path, resume=number > 0, on_epoch=kill)
    assert_same_training(tmp_path, whole)


def test_a_finished_training_stays_as_it_is(shapes: Shapes, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "run", tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    epochs = train(shapes, shapes, SETTINGS, tmp_path, resume=True)
    assert [each.number for each in epochs] == [1, 2, 3, 4]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_resuming_with_other_settings_names_them(shapes: Shapes, whole: Path) -> None:
    other = replace(SETTINGS, learning_rate=1e-3, seed=3)
    with pytest.raises(UsageError, match=r"learning_rate 0.001 \(was 0.004\), seed 3 \(was 0\)"):
        train(shapes, shapes, other, whole / "after-1", resume=True)


def test_how_fast_a_training_goes_may_change(shapes: Shapes, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "after-2", tmp_path, dirs_exist_ok=True)
    other = replace(SETTINGS, loaders=1, cache_bytes=0)
    train(shapes, shapes, other, tmp_path, resume=True)
    tensors, theirs = load_file(tmp_path / LAST_STATE), load_file(whole / "run" / LAST_STATE)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in tensors.items())


def test_resuming_on_another_dataset_is_refused(shapes: Shapes, whole: Path) -> None:
    with pytest.raises(UsageError, match="another dataset"):
        train(Shapes(16, seed=5), shapes, SETTINGS, whole / "after-1", resume=True)
    with pytest.raises(UsageError, match="another dataset"):
        train(shapes, replace(shapes, count=15), SETTINGS, whole / "after-1", resume=True)


def test_a_fingerprint_changes_with_a_label() -> None:
    shapes = Shapes(5)
    assert fingerprint(shapes) == fingerprint(Shapes(5))
    others = [Shapes(6), Shapes(5, seed=1), replace(shapes, class_names=("disc", "square"))]
    assert len({fingerprint(each) for each in (shapes, *others)}) == 4
    assert fingerprint(shapes, Shapes(6)) != fingerprint(Shapes(6), shapes)

    def labelled(name: str, right: float, class_id: int) -> LabelledImages:
        rows = [LabelRow((1.0, 2.0, right, 9.0), class_id, ignored=False, place=1)]
        return LabelledImages(("a", "b"), [ImageLabels.from_rows(Path(name), rows, Path("a.txt"))])

    sets = [labelled("a.png", 8, 0), labelled("b.png", 8, 0), labelled("a.png", 7, 0)]
    assert len({fingerprint(each) for each in (*sets, labelled("a.png", 8, 1))}) == 4
    assert fingerprint(labelled("moved/a.png", 8, 0)) == fingerprint(sets[0])


def test_a_new_training_leaves_nothing_of_an_older_one_to_resume(
    shapes: Shapes, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole / "run", tmp_path, dirs_exist_ok=True)
    with pytest.raises(Killed):
        train(shapes, shapes, SETTINGS, tmp_path, on_step=kill_in_step(1, 2))
    with pytest.raises(UsageError, match="nothing to resume"):
        train(shapes, shapes, SETTINGS, tmp_path, resume=True)


def test_a_state_that_cannot_be_read_is_one_clear_error(
    shapes: Shapes, whole: Path, tmp_path: Path
) -> None:
    content = (whole / "run" / LAST_STATE).read_bytes()
    (tmp_path / LAST_STATE).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        train(shapes, shapes, SETTINGS, tmp_path, resume=True)
    shutil.copy(whole / "run" / BEST_CHECKPOINT, tmp_path / LAST_STATE)
    with pytest.raises(CheckpointError, match="not a training state"):
        load_state(tmp_path / LAST_STATE)
    with pytest.raises(CheckpointError, match="not a checkpoint; `spotlet train` writes one"):
        load_checkpoint(whole / "run" / LAST_STATE)


def test_a_training_with_tiles_resumes_with_them_and_records_them(
    shapes: Shapes, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, epochs=2, weights="none", tiles=TileSettings(layout="2x1"))

    def kill(_: Epoch) -> None:
        raise Killed

    with pytest.raises(Killed):
        train(shapes, shapes, settings, tmp_path, on_epoch=kill)
    saved = load_state(tmp_path / LAST_STATE).settings
    assert saved == settings
    with pytest.raises(UsageError, match="tiles"):
        train(shapes, shapes, replace(saved, tiles=SETTINGS.tiles), tmp_path, resume=True)
    assert len(train(shapes, shapes, saved, tmp_path, resume=True)) == 2
    assert load_checkpoint(tmp_path / BEST_CHECKPOINT).tiles == settings.tiles
