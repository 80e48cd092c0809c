"""The four steps of `spotlet learn`: their words, what each is made from, and which are done."""

import hashlib
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotlet.atomic import atomic_file, check_writable
from spotlet.errors import DatasetError, UsageError
from spotlet.model.package import MODEL_FILE
from spotlet.text.plain import parse_json, plain_line
from spotlet_training.run_folder.state import LAST_STATE
from spotlet_training.training import BEST_CHECKPOINT

SET, TRAINING, MODEL = "set", "training", "model"
"""Folders in the output folder."""

LABELS = Path(SET, "annotations", "instances_default.json")
RECORD = "learn.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnSettings:
    """What to label, with what, and how to train; each is passed to the step that it is for.

    Attributes:
        pictures: files and folders of pictures, and videos.
        models: that label, any that the runtime runs.
        runners: commands of programs that label (`spotlet.runner`).
        classes: to keep, merge and rename; None: all.
        score: threshold of the labels; None: the models' own.
        every: of a video, every n-th frame; None: the command's default.
        passes: over each picture; None: the command's default.
        size: of the network to train; None: the default, here and below.
        image_size: of its canvas.
        epochs: of its training.
        seed: of its training.
        int8: whether to export an 8-bit file too.

    Raises:
        UsageError: there is no picture, or no model or runner.
    """

    pictures: tuple[str, ...]
    models: tuple[str, ...] = ()
    runners: tuple[str, ...] = ()
    classes: str | None = None
    score: str | None = None
    every: int | None = None
    passes: str | None = None
    size: str | None = None
    image_size: str | None = None
    epochs: int | None = None
    seed: int | None = None
    int8: bool = False

    def __post_init__(self) -> None:
        if not self.pictures:
            raise UsageError("no pictures: give files, folders or videos")
        if not (self.models or self.runners):
            raise UsageError("nothing to label with: give --with MODEL or --runner COMMAND")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command.

    Attributes:
        name: in the record.
        words: of the command, after `spotlet`.
        source: the file that it is made from: if that changes, the step is due again.
        product: the file that it leaves; None: it only looks.
    """

    name: str
    words: tuple[str, ...]
    source: Path | None = None
    product: Path | None = None


def learning_steps(settings: LearnSettings, out: Path) -> tuple[Step, ...]:
    """Returns the steps in their order."""
    data, training, model = (str(out / name) for name in (SET, TRAINING, MODEL))
    labels, best = out / LABELS, out / TRAINING / BEST_CHECKPOINT
    teachers = [word for name in settings.models for word in ("--with", name)]
    teachers += [word for command in settings.runners for word in ("--runner", command)]
    label = ["label", *settings.pictures, *teachers]
    label += _options(settings, "classes", "score", "every", "passes")
    check = ["data", "check", data, *_options(settings, "image_size")]
    recipe = _options(settings, "size", "image_size", "epochs", "seed")
    export = ["export", str(best), "--data", data, *(["--int8"] if settings.int8 else [])]
    return (
        Step(name="label", words=(*label, "--out", data), product=labels),
        Step(name="check", words=tuple(check), source=labels),
        Step(
            name="train",
            words=("train", data, *recipe, "--out", training),
            source=labels,
            product=best,
        ),
        Step(
            name="export",
            words=(*export, "--out", model),
            source=best,
            product=out / MODEL / MODEL_FILE,
        ),
    )


def _options(settings: LearnSettings, *names: str) -> list[str]:
    given = {name: getattr(settings, name) for name in names}
    return [
        word
        for name, value in given.items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]


class LearnRecord:
    """What has been done in an output folder, kept in its `RECORD`."""

    def __init__(self, out: Path, steps: Sequence[Step]) -> None:
        """Reads the record, or writes a new one into a folder that is empty or not yet there.

        Raises:
            UsageError: the folder was begun with other options, or holds something else.
            DatasetError: the record is damaged.
            OutputError: the folder cannot be written.
        """
        self._path = out / RECORD
        self._content: dict[str, Any] = {
            "schema": SCHEMA,
            "steps": {step.name: list(step.words) for step in steps},
            "begun": {},
            "done": {},
        }
        if self._path.exists():
            self._content = self._read(self._content)
        elif out.is_dir() and any(out.iterdir()):
            raise UsageError(f"{out}: holds other files; give --out a new folder")
        else:
            check_writable(out)
            self._write()

    def _read(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            found = parse_json(self._path.read_bytes())
            fits = found["schema"] == SCHEMA and found.keys() == asked.keys()
            begun, done, before = found["begun"], found["done"], found["steps"]
            if not (fits and all(isinstance(each, dict) for each in (begun, done, before))):
                raise ValueError("it has another schema")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DatasetError(
                f"{self._path}: is damaged ({plain_line(str(error), 80)}); give --out a new folder"
            ) from error
        for name, words in asked["steps"].items():
            if before.get(name) != words:
                command = plain_line(shlex.join(map(str, ["spotlet", *before.get(name, ())])))
                raise UsageError(
                    f"{self._path.parent}: was begun with other options (`{command}`); repeat "
                    "them to continue, or give --out a new folder"
                )
        return dict(found)

    def is_done(self, step: Step) -> bool:
        """Returns whether a step has ended well and neither its source nor product is gone."""
        there = step.product is None or step.product.is_file()
        return there and self._content["done"].get(step.name) == _digest(step.source)

    def words(self, step: Step) -> tuple[str, ...]:
        """Returns a step's words, with what continues or replaces an earlier training."""
        if step.name != "train" or step.product is None or step.source is None:
            return step.words
        same = self._content["begun"].get(step.name) == _digest(step.source)
        folder = step.product.parent
        if same and (folder / LAST_STATE).is_file():
            return ("train", step.words[1], "--out", str(folder), "--resume")
        return (*step.words, "--overwrite") if step.product.exists() else step.words

    def run(self, step: Step, call: Callable[[Sequence[str]], int]) -> int:
        """Runs a step and returns its exit code; notes that it has begun, and that it is done."""
        words, digest = self.words(step), _digest(step.source)
        if step.name == "train" and step.product is not None and "--resume" not in words:
            # Of other labels: it must not be taken for that of the training which begins.
            step.product.with_name(LAST_STATE).unlink(missing_ok=True)
        self._note("begun", step.name, digest)
        code = call(words)
        if code == 0:
            self._note("done", step.name, digest)
        return code

    def remove_if_empty(self) -> bool:
        """Removes the record with its folder if no step has left anything; returns whether."""
        folder = self._path.parent
        if [each.name for each in folder.iterdir()] != [RECORD]:
            return False
        self._path.unlink()
        folder.rmdir()
        return True

    def _note(self, kind: str, name: str, digest: str) -> None:
        self._content[kind][name] = digest
        self._write()

    def _write(self) -> None:
        with atomic_file(self._path) as path:
            path.write_text(json.dumps(self._content, indent=1, ensure_ascii=False), "utf-8")


def _digest(path: Path | None) -> str:
    """Returns the SHA-256 of a file; empty without one."""
    if path is None or not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
