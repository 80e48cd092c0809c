from pathlib import Path

import pytest
from shapes import Shapes

from spotlet.errors import OutputError, UsageError
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.run_folder.folder import LOCK, claimed
from spotlet_training.training import train


def test_two_trainings_do_not_write_to_one_folder(shapes: Shapes, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=1, size_hw=(64, 64), device="cpu")
    with claimed(tmp_path), pytest.raises(UsageError, match="another training is writing"):
        train(shapes, shapes, settings, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    with claimed(tmp_path):
        pass


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path) -> None:
    torn = [tmp_path / ".last-ab12cd_3.safetensors", tmp_path / ".history-xxxxxxxx.csv"]
    others = [tmp_path / "best.safetensors", tmp_path / ".bashrc"]
    for path in (*torn, *others):
        path.touch()
    with claimed(tmp_path):
        assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / LOCK])


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), claimed(tmp_path / "file"):
        pass
