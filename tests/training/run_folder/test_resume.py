import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from patience import PATIENCE_SECONDS
from safetensors.torch import load_file

from spotlet.cli import EXIT_INTERRUPTED, main
from spotlet_training.learning.epochs import HISTORY
from spotlet_training.run_folder.state import LAST_STATE, load_state
from spotlet_training.training import BEST_CHECKPOINT

SETUP = ["--epochs", "3", "--image-size", "64", "--batch-size", "4", "--device", "cpu"]
SETUP += ["--weights", "none"]


@pytest.fixture(scope="module")
def whole(shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a training that nothing stopped."""
    out = tmp_path_factory.mktemp("whole")
    assert main(["train", str(shapes_folder), "--out", str(out), *SETUP]) == 0
    return out


PAUSING = """
import sys, time
from spotlet.cli import run_process
from spotlet_training.commands import train as command
right = command.train
def train(*arguments, on_step, **more):
    def after_step(step):
        on_step(step)
        if (step.epoch, step.step) == (2, 2):
            print("waits for a signal", flush=True)
            while True:  # not `signal.pause`: the signal may come just before it
                time.sleep(0.05)
    return right(*arguments, on_step=after_step, **more)
command.train = train
sys.exit(run_process())
"""


def stop_in_the_second_epoch(dataset: Path, out: Path, how: signal.Signals) -> tuple[int, str]:
    """Starts a training and sends it a signal within an epoch; returns its code and words."""
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSING, "train", str(dataset), "--out", str(out), *SETUP],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert any("waits for a signal" in line for line in process.stdout)
            process.send_signal(how)
            _, words = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
    return process.returncode, words


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_process_ended_by_a_signal_resumes_as_if_it_had_not_been(
    how: str, shapes_folder: Path, whole: Path, tmp_path: Path
) -> None:
    code, words = stop_in_the_second_epoch(shapes_folder, tmp_path, signal.Signals[how])
    assert not load_state(tmp_path / LAST_STATE).finished
    if how == "SIGINT":
        assert code == EXIT_INTERRUPTED
        assert "Traceback" not in words
        assert f"to resume: spotlet train {shapes_folder} --out {tmp_path} --resume" in words
    else:
        assert code == -signal.SIGKILL
    assert main(["train", str(shapes_folder), "--out", str(tmp_path), "--resume"]) == 0
    for name in (LAST_STATE, BEST_CHECKPOINT):
        mine, theirs = load_file(tmp_path / name), load_file(whole / name)
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in mine.items())
    rows = (tmp_path / HISTORY).read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]


def test_a_finished_training_says_that_nothing_is_left(
    shapes_folder: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [(whole / name).read_bytes() for name in (LAST_STATE, BEST_CHECKPOINT, HISTORY)]
    assert main(["train", str(shapes_folder), "--out", str(whole), "--resume"]) == 0
    assert "all 3 epochs of this training are done" in capsys.readouterr().out
    after = [(whole / name).read_bytes() for name in (LAST_STATE, BEST_CHECKPOINT, HISTORY)]
    assert after == before


def test_resuming_nothing_is_one_clear_error(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(shapes_folder), "--out", str(tmp_path), "--resume"]) == 2
    assert "nothing to resume" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "9"], "epochs 9 (was 3)"),
        (["--flips", "none"], "augmentation"),
        (["--weights", "none"], "drop --weights"),
        (["--overwrite"], "drop --overwrite"),
    ],
)
def test_resuming_as_another_training_is_refused(
    words: list[str],
    message: str,
    shapes_folder: Path,
    whole: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", str(shapes_folder), "--out", str(whole), "--resume", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("change", ["classes", "labels", "images"])
def test_resuming_on_another_set_is_one_line_before_anything_else(
    change: str,
    shapes_folder: Path,
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other"
    shutil.copytree(shapes_folder, other)
    label = next((other / "labels" / "train").iterdir())
    if change == "classes":
        description = other / "data.yaml"
        description.write_text(description.read_text() + "  2: cube\n")
        label.write_text("2 0.5 0.5 0.5 0.5\n")
    elif change == "labels":
        label.write_text("0 0.5 0.5 0.5 0.5\n")
    else:
        label.unlink()
        (other / "images" / "train" / f"{label.stem}.png").unlink()
    assert main(["train", str(other), "--out", str(whole), "--resume"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot resume on another dataset" in err
    assert len(err.strip().splitlines()) == 1


def test_resuming_needs_the_folder(shapes_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(shapes_folder), "--resume"]) == 2
    assert "needs --out" in capsys.readouterr().err


@pytest.mark.parametrize("amount", ["-1", "nan", "inf"])
def test_a_cache_of_no_size_is_refused(
    amount: str, shapes_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(shapes_folder), "--cache-gb", amount]) == 2
    assert "--cache-gb" in capsys.readouterr().err
