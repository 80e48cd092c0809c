"""The four steps of `spotlet learn`: their words, and what each is made from."""

from dataclasses import dataclass
from pathlib import Path

from spotlet.coco_labels import LABEL_FILE
from spotlet.errors import UsageError
from spotlet.model.package import MODEL_FILE
from spotlet_training.training import BEST_CHECKPOINT

SET, TRAINING, MODEL = "set", "training", "model"
"""Folders in the output folder."""

LABELS = Path(SET, LABEL_FILE)


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
        remedy: what to do if its gate fails; empty: its options cannot be changed.
    """

    name: str
    words: tuple[str, ...]
    source: Path | None = None
    product: Path | None = None
    remedy: str = ""


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
        Step(
            name="check",
            words=tuple(check),
            source=labels,
            remedy=f"correct the labels in {data}, or give another --image-size",
        ),
        Step(
            name="train",
            words=("train", data, *recipe, "--out", training),
            source=labels,
            product=best,
            remedy=f"correct the labels in {data}, or give another --seed",
        ),
        Step(
            name="export",
            words=(*export, "--out", model),
            source=best,
            product=out / MODEL / MODEL_FILE,
            remedy=f"give more --epochs, label more pictures into {data} (step 1)"
            + (", or leave out --int8" if settings.int8 else ", or both"),
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
