"""Which steps of `spotlet learn` are done, kept in its output folder."""

import hashlib
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spotlet.atomic import atomic_file, check_writable
from spotlet.errors import DatasetError, GateError, UsageError
from spotlet.text.plain import parse_json, plain_line
from spotlet_export.commands.learning_steps import Step
from spotlet_training.run_folder.folder import LOCK
from spotlet_training.run_folder.state import LAST_STATE

RECORD = "learn.json"
SCHEMA = 1


class LearnRecord:
    """What has been done in an output folder, kept in its `RECORD`.

    After a gate has failed, which it would again, the steps after the labelling may have other
    options; before, these could end a long training by mistake.
    """

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
            "failed": False,
        }
        if self._path.exists():
            self._content = self._read(self._content, steps)
        elif out.is_dir() and any(out.iterdir()):
            raise UsageError(f"{out}: holds other files; give --out a new folder")
        else:
            check_writable(out)
            self._write()

    def _read(self, asked: dict[str, Any], steps: Sequence[Step]) -> dict[str, Any]:
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
        for step in steps:
            if before.get(step.name) == list(step.words):
                continue
            if not (found["failed"] and step.remedy):
                words = before.get(step.name, ())
                command = plain_line(shlex.join(map(str, ["spotlet", *words])))
                raise UsageError(
                    f"{self._path.parent}: was begun with other options (`{command}`); repeat "
                    "them to continue, or give --out a new folder"
                )
            begun.pop(step.name, None)
            done.pop(step.name, None)
        return {**found, "steps": asked["steps"]}

    @property
    def has_failed(self) -> bool:
        """Whether the gate of the step that was run last failed."""
        return self._content["failed"] is True

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
        """Runs a step and returns its exit code; notes that it has begun, and how it ended."""
        words, digest = self.words(step), _digest(step.source)
        if step.name == "train" and step.product is not None and "--resume" not in words:
            # Of other labels: it must not be taken for that of the training which begins.
            step.product.with_name(LAST_STATE).unlink(missing_ok=True)
        self._note("begun", step.name, digest)
        try:
            code = call(words)
        except GateError:
            self._note("begun", step.name, digest, failed=True)
            raise
        if code == 0:
            self._note("done", step.name, digest)
        return code

    def remove_if_empty(self) -> bool:
        """Removes the record with its folder if no step has left anything; returns whether."""
        folder = self._path.parent
        if {each.name for each in folder.iterdir()} - {RECORD, LOCK}:
            return False
        self._path.unlink()
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
        return True

    def _note(self, kind: str, name: str, digest: str, *, failed: bool = False) -> None:
        self._content[kind][name] = digest
        self._content["failed"] = failed
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
