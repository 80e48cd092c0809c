"""`spotlet learn`: the order of its steps, what a second call skips, and one real run."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from labelled_sets import clean_pictures, write_set

from spotlet import cli
from spotlet.errors import DatasetError, GateError, OutputError, UsageError
from spotlet_export.commands.learn import add_arguments, learn, run
from spotlet_export.commands.learning_record import RECORD
from spotlet_export.commands.learning_steps import LABELS, LearnSettings

SETTINGS = LearnSettings(pictures=("photos",), models=("garments",), epochs=2, size="pico")
AGAIN = "spotlet learn photos --with garments"

MADE = {
    "label": [LABELS, Path("set/images/a.jpg")],
    "data": [],
    "train": [Path("training/best.safetensors"), Path("training/last.safetensors")],
    "export": [Path("model/model.onnx")],
}
"""The files that each command leaves."""


class Commands:
    """Stands in for the commands: each leaves its files, unless it is to fail or be interrupted."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.called: list[Sequence[str]] = []
        self.fails: dict[str, int | BaseException] = {}
        self.labels = "{}"

    def __call__(self, words: Sequence[str]) -> int:
        self.called.append(words)
        failure = self.fails.get(words[0], 0)
        for file in MADE[words[0]] if failure == 0 else []:
            path = self.out / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.labels if file == LABELS else " ".join(words), "utf-8")
        if isinstance(failure, BaseException):
            raise failure
        return failure

    @property
    def names(self) -> list[str]:
        return [words[0] for words in self.called]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "mine"


@pytest.fixture
def commands(out: Path) -> Commands:
    return Commands(out)


def test_four_commands_run_in_order_and_are_printed_as_a_person_would_type_them(
    out: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = LearnSettings(
        pictures=("my photos", "film.mp4"),
        models=("garments", "a.onnx"),
        runners=("python teacher.py",),
        classes="person,car",
        score="0.4",
        every=5,
        passes="plain,mirrored",
        size="pico",
        image_size="256",
        epochs=3,
        seed=1,
        int8=True,
    )
    assert learn(settings, out, AGAIN, call=commands) == 0
    assert commands.names == ["label", "data", "train", "export"]
    said = capsys.readouterr().out
    for line in (
        "step 1 of 4: spotlet label 'my photos' film.mp4 --with garments --with a.onnx "
        "--runner 'python teacher.py' --classes person,car --score 0.4 --every 5 "
        f"--passes plain,mirrored --out {out}/set",
        f"step 2 of 4: spotlet data check {out}/set --image-size 256",
        f"step 3 of 4: spotlet train {out}/set --size pico --image-size 256 --epochs 3 --seed 1 "
        f"--out {out}/training",
        f"step 4 of 4: spotlet export {out}/training/best.safetensors --data {out}/set --int8 "
        f"--out {out}/model",
        f"run it: spotlet run {out}/model SOURCE",
    ):
        assert f"{line}\n" in said
    assert "not of a person" in said


def test_a_second_call_skips_what_is_done(
    out: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert learn(SETTINGS, out, AGAIN, call=commands) == 0
    assert len(commands.called) == 4
    assert "step 4 of 4, done before: spotlet export" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["label", "data", "train", "export"])
def test_a_call_continues_with_the_step_that_failed(
    out: Path, commands: Commands, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.fails[name] = OutputError("the disk is full")
    with pytest.raises(OutputError):
        learn(SETTINGS, out, AGAIN, call=commands)
    assert name == "label" or f"to continue: {AGAIN}\n" in capsys.readouterr().err
    commands.fails[name] = 4
    assert learn(SETTINGS, out, AGAIN, call=commands) == 4
    del commands.fails[name]
    commands.called.clear()
    assert learn(SETTINGS, out, AGAIN, call=commands) == 0
    names = ["label", "data", "train", "export"]
    assert commands.names == names[names.index(name) :]


@pytest.mark.parametrize(
    ("name", "way"),
    [("data", "correct the labels"), ("train", "correct the labels"), ("export", "more --epochs")],
)
def test_after_a_failed_gate_the_way_out_is_named_and_other_options_are_taken(
    out: Path, commands: Commands, name: str, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.fails[name] = GateError("the gate did not pass")
    for _ in range(2):
        with pytest.raises(GateError):
            learn(SETTINGS, out, AGAIN, call=commands)
        said = capsys.readouterr().err
        assert way in said
        assert "to continue" not in said
    with pytest.raises(UsageError, match="begun with other options"):
        learn(replace(SETTINGS, classes="nut"), out, AGAIN, call=commands)
    del commands.fails[name]
    commands.called.clear()
    assert learn(replace(SETTINGS, epochs=9), out, AGAIN, call=commands) == 0
    assert commands.names[-2:] == ["train", "export"]
    assert "9" in commands.called[-2]
    assert (commands.called[-2][-1] == "--overwrite") is (name == "export")
    with pytest.raises(UsageError, match="--epochs 9 "):
        learn(SETTINGS, out, AGAIN, call=commands)


def test_a_labelling_that_was_interrupted_after_its_first_labels_is_repeated(
    out: Path, commands: Commands
) -> None:
    def call(words: Sequence[str]) -> int:
        commands(words)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(SETTINGS, out, AGAIN, call=call)
    assert (out / LABELS).is_file()
    assert learn(SETTINGS, out, AGAIN, call=commands) == 0
    assert commands.names == ["label", "label", "data", "train", "export"]


def test_one_folder_is_for_one_process_at_a_time(out: Path, commands: Commands) -> None:
    def call(words: Sequence[str]) -> int:
        with pytest.raises(UsageError, match="another training is writing here"):
            learn(SETTINGS, out, AGAIN, call=commands)
        return commands(words)

    assert learn(SETTINGS, out, AGAIN, call=call) == 0
    assert commands.names == ["label", "data", "train", "export"]


def test_an_interrupted_training_is_resumed(out: Path, commands: Commands) -> None:
    commands.fails["train"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        learn(SETTINGS, out, AGAIN, call=commands)
    (out / "training").mkdir()
    (out / "training" / "last.safetensors").touch()
    del commands.fails["train"]
    assert learn(SETTINGS, out, AGAIN, call=commands) == 0
    assert commands.called[-2][-1] == "--resume"


def test_corrected_labels_are_checked_trained_on_afresh_and_exported(
    out: Path, commands: Commands
) -> None:
    learn(SETTINGS, out, AGAIN, call=commands)
    (out / LABELS).write_text("[]", "utf-8")
    commands.called.clear()
    assert learn(SETTINGS, out, AGAIN, call=commands) == 0
    assert commands.names == ["data", "train", "export"]
    assert commands.called[1][-1] == "--overwrite"


def test_a_training_on_corrected_labels_that_is_stopped_at_once_starts_afresh_again(
    out: Path, commands: Commands
) -> None:
    learn(SETTINGS, out, AGAIN, call=commands)
    (out / LABELS).write_text("[]", "utf-8")
    commands.fails["train"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        learn(SETTINGS, out, AGAIN, call=commands)
    del commands.fails["train"]
    learn(SETTINGS, out, AGAIN, call=commands)
    assert commands.called[-2][-1] == "--overwrite"


def test_a_removed_model_is_exported_again(out: Path, commands: Commands) -> None:
    learn(SETTINGS, out, AGAIN, call=commands)
    (out / "model" / "model.onnx").unlink()
    learn(SETTINGS, out, AGAIN, call=commands)
    assert commands.names[4:] == ["export"]


def test_other_options_are_refused_with_those_of_before(out: Path, commands: Commands) -> None:
    learn(SETTINGS, out, AGAIN, call=commands)
    other = LearnSettings(pictures=("photos",), models=("garments",), epochs=9, size="pico")
    with pytest.raises(UsageError, match=r"--epochs 2 .*repeat them to continue"):
        learn(other, out, AGAIN, call=commands)
    assert len(commands.called) == 4


def test_a_labelling_that_left_nothing_leaves_no_folder(
    out: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.fails["label"] = UsageError("photos: is empty")
    with pytest.raises(UsageError):
        learn(SETTINGS, out, AGAIN, call=commands)
    assert not out.exists()
    assert capsys.readouterr().err == ""


def test_a_folder_of_other_files_is_refused(out: Path, commands: Commands) -> None:
    out.mkdir()
    (out / "thesis.txt").touch()
    with pytest.raises(UsageError, match="holds other files"):
        learn(SETTINGS, out, AGAIN, call=commands)
    assert [each.name for each in out.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 2}', '{"schema": 1, "steps": 1}'])
def test_a_damaged_record_is_refused(out: Path, commands: Commands, content: str) -> None:
    out.mkdir()
    (out / RECORD).write_text(content, "utf-8")
    with pytest.raises(DatasetError, match=r"learn\.json: is damaged"):
        learn(SETTINGS, out, AGAIN, call=commands)
    assert (out / RECORD).read_text("utf-8") == content


def test_a_wrong_recipe_is_refused_before_anything_is_labelled(
    out: Path, commands: Commands
) -> None:
    settings = LearnSettings(pictures=("photos",), models=("garments",), image_size="100")
    with pytest.raises(UsageError, match="100"):
        learn(settings, out, AGAIN, call=commands)
    assert not out.exists()
    assert commands.called == []


def test_the_command_line_sets_every_setting(out: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(["photos", "--out", str(out)])
    args.words = ["photos", "--out", str(out)]
    with pytest.raises(UsageError, match="--with MODEL or --runner"):
        run(args)


def test_nothing_to_label_or_to_label_with_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="--with MODEL or --runner"):
        LearnSettings(pictures=("photos",))
    with pytest.raises(UsageError, match="no pictures"):
        LearnSettings(pictures=(), models=("garments",))


@pytest.mark.slow
def test_a_real_training_and_export_follow_the_labels(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def label(words: Sequence[str]) -> int:
        """Stands in for `spotlet label`."""
        write_set(tmp_path / "made", "coco", [*clean_pictures(train=12, val=4)])
        (tmp_path / "made").rename(out / "set")
        (out / LABELS).parent.mkdir(exist_ok=True)
        (out / LABELS).write_text(json.dumps({}), "utf-8")
        return 0

    settings = LearnSettings(
        pictures=("photos",), models=("garments",), size="pico", image_size="64", epochs=1
    )

    def call(words: Sequence[str]) -> int:
        return label(words) if words[0] == "label" else cli.call(words)

    assert learn(settings, out, AGAIN, call=call) == 0
    assert (out / "model" / "model.onnx").is_file()
    assert json.loads((out / RECORD).read_text("utf-8"))["done"].keys() == {
        "label",
        "check",
        "train",
        "export",
    }
    assert "PASS" in capsys.readouterr().out
