"""What one labelling does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spotlet.errors import UsageError

AGREEMENTS = ("any", "majority", "all")
"""How many of the teachers that know a class must be sure of an object of it."""

PASSES = ("plain", "mirrored", "tiled")
"""Views of a picture that a teacher can be shown."""

EVERY = 10
"""Frames of a video from one that is labelled to the next: those between show nearly the same."""

DOUBT_SHARE = 0.5
"""Share of a class's threshold down to which a detection is doubtful, not background."""

TILE_PIXELS = 640
"""Side of a tile: the largest canvas of common detectors, so that no tile is scaled down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSettings:
    """What to label, with what, and how.

    Attributes:
        pictures: picture files, videos, folders and globs of them, and labelled sets, whose labels
            stay.
        out: folder of the labelled set; an existing one is continued.
        models: teachers as `spotlet.Detector` takes them.
        runners: command lines of programs that are teachers; see `spotlet.runner`.
        classes: a class's name for a teacher or in a labelled set, and its name in the set that is
            written, which several may share. None: all classes of all teachers; the label file
            then lists those of which there is an object.
        score: threshold of every class, in (0, 1]; None: each teacher's own.
        class_scores: threshold by the set's class name, instead.
        thresholds_from: a labelled set on which each teacher's best threshold of each class is
            measured.
        doubt: share of the threshold, in (0, 1], from which a detection below it is ignored, not
            background.
        agree: one of `AGREEMENTS`.
        passes: of `PASSES`; the plain one is always among them.
        tile_pixels: side of a tile, pixels.
        every: label each n-th frame of a video; None: `EVERY`, or with `by_change` 1.
        by_change: of those frames, only such that differ from all that were taken.
        threads: cores to use; 0 for all.
        provider: execution provider of onnxruntime.

    Raises:
        UsageError: a value breaks its rule.
    """

    pictures: tuple[str | Path, ...]
    out: Path
    models: tuple[str | Path, ...] = ()
    runners: tuple[str, ...] = ()
    classes: tuple[tuple[str, str], ...] | None = None
    score: float | None = None
    class_scores: Mapping[str, float] = field(default_factory=dict)
    thresholds_from: Path | None = None
    doubt: float = DOUBT_SHARE
    agree: str = "any"
    passes: tuple[str, ...] = ("plain",)
    tile_pixels: int = TILE_PIXELS
    every: int | None = None
    by_change: bool = False
    threads: int = 0
    provider: str = "CPU"

    def __post_init__(self) -> None:
        if not self.pictures:
            raise UsageError("pictures: must be at least one file, folder, glob or video")
        scores = dict(self.class_scores) | ({} if self.score is None else {"": self.score})
        for name, score in scores.items():
            if not 0 < score <= 1:
                of = f"{name}=" if name else ""
                raise UsageError(f"score {of}{score}: must be over 0 and at most 1")
        if self.score is not None and self.thresholds_from is not None:
            raise UsageError(
                f"score {self.score}: the thresholds are measured on {self.thresholds_from}; give "
                "only scores of single classes with it, NAME=SCORE"
            )
        if not 0 < self.doubt <= 1:
            raise UsageError(f"doubt {self.doubt}: must be over 0 and at most 1, which is no doubt")
        if self.agree not in AGREEMENTS:
            raise UsageError(f"agree {self.agree}: must be one of {', '.join(AGREEMENTS)}")
        if unknown := [each for each in self.passes if each not in PASSES]:
            raise UsageError(f"pass {unknown[0]}: must be one of {', '.join(PASSES)}")
        if self.tile_pixels < 32:
            raise UsageError(f"tile {self.tile_pixels}: must be at least 32 pixels")
        if self.every is not None and self.every < 1:
            raise UsageError(f"every {self.every}: must be a whole number from 1")
        if self.threads < 0:
            raise UsageError(f"threads {self.threads}: must be 0 or more")

    @property
    def frame_step(self) -> int:
        """Each how many frames of a video are looked at."""
        return self.every or (1 if self.by_change else EVERY)


def parse_classes(text: str) -> tuple[tuple[str, str], ...]:
    """Returns the classes that a text such as `person,car,truck=vehicle` chooses and renames.

    Raises:
        UsageError: a name is empty or given twice.

    Example:
        >>> parse_classes("person, truck=vehicle")
        (('person', 'person'), ('truck', 'vehicle'))
    """
    pairs = []
    for part in text.split(","):
        name, is_renamed, new = (each.strip() for each in part.partition("="))
        if not name or (is_renamed and not new):
            raise UsageError(f"classes {text!r}: {part!r} must be NAME or NAME=NEWNAME")
        pairs.append((name, new or name))
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"classes {text!r}: {twice[0]!r} is given twice; give it once")
    return tuple(pairs)


def parse_scores(text: str) -> tuple[float | None, dict[str, float]]:
    """Returns the threshold of all classes, if any, and those of single ones.

    Raises:
        UsageError: a part is neither a number nor NAME=NUMBER, or is given twice.

    Example:
        >>> parse_scores("0.4,car=0.3")
        (0.4, {'car': 0.3})
    """
    scores: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError as error:
            raise UsageError(f"score {part!r}: must be a number or NAME=NUMBER") from error
        if name.strip() in scores:
            raise UsageError(
                f"score {text!r}: {name.strip() or 'that of all classes'} is given twice; give it "
                "once, and NAME=SCORE for others"
            )
        scores[name.strip()] = value
    return scores.pop("", None), scores
