"""The arguments that name labelled sets, turned into one set."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from spotlet.errors import UsageError
from spotlet_training.datasets import Splits, open_sets

EXHAUSTIVE_HELP = (
    "classes whose labels are complete; whether more objects of other classes are in a picture "
    "is then unknown, and neither learnt nor counted. Of one of several sets: SET=CLASS,CLASS; "
    "repeatable"
)


def add_set_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the sets and `--exhaustive`."""
    parser.add_argument(
        "dataset",
        type=Path,
        nargs="+",
        help="folder of a COCO, YOLO or Pascal VOC set; the classes of several are matched by name",
    )
    add_exhaustive_argument(parser)


def add_exhaustive_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--exhaustive`."""
    parser.add_argument(
        "--exhaustive",
        action="append",
        default=[],
        metavar="[SET=]CLASS,CLASS",
        help=EXHAUSTIVE_HELP,
    )


def asked_sets(roots: Sequence[Path], exhaustive: Sequence[str]) -> Splits:
    """Returns the sets given on a command line as one.

    Raises:
        UsageError: `--exhaustive` names no set, or one twice.
        DatasetError: as for `open_sets`.
    """
    return open_sets(roots, asked_exhaustive(roots, exhaustive))


def asked_exhaustive(roots: Sequence[Path], texts: Sequence[str]) -> dict[Path, tuple[str, ...]]:
    """Returns the classes that are complete in each set that `--exhaustive` was given for.

    Example:
        >>> asked_exhaustive([Path("a"), Path("b")], ["a=person,car"])[Path("a")]
        ('person', 'car')

    Raises:
        UsageError: a text names none of several sets, or a set has two texts.
    """
    found: dict[Path, tuple[str, ...]] = {}
    for text in texts:
        cuts = [place for place, letter in enumerate(text) if letter == "="]
        named = [
            (root, text[cut + 1 :])
            for cut in cuts
            for root in roots
            if Path(text[:cut]).resolve() == root.resolve()
        ]
        if not named and len(roots) > 1:
            listed = ", ".join(map(str, roots))
            raise UsageError(
                f"--exhaustive {text}: of several sets, must be SET=CLASS,CLASS with one of "
                f"{listed}"
            )
        root, classes = named[0] if named else (roots[0], text)
        if root in found:
            raise UsageError(f"--exhaustive {text}: is the second for {root}; give all in one")
        found[root] = tuple(name for name in classes.split(",") if name.strip())
    return found


def set_words(roots: Sequence[Path], exhaustive: Sequence[str], option: str = "") -> list[str]:
    """Returns the words of a command line that give the same sets.

    Args:
        roots: the sets.
        exhaustive: values of `--exhaustive`.
        option: that goes before each set, such as `--data`.
    """
    words: list[str] = []
    for root in roots:
        words += [option, str(root)] if option else [str(root)]
    for text in exhaustive:
        words += ["--exhaustive", text]
    return words


def sets_name(roots: Sequence[Path]) -> str:
    """Returns the name of the sets: of their folders, even if a `data.yaml` was given.

    Example:
        >>> sets_name([Path("/sets/cars"), Path("/sets/bikes")])
        'cars+bikes'
    """
    paths = [root.resolve() for root in roots]
    return "+".join((path.parent if path.is_file() else path).name for path in paths)
