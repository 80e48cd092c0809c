"""`spotlet label`: pictures in, a labelled set out, for a person to correct."""

import argparse
import shlex
from pathlib import Path

from spotlet.commands.options import add_provider_argument
from spotlet.text.terminal import Progress, table, write_notice
from spotlet_training.labelling import LabelCallbacks, LabelSettings, LabelSummary, label
from spotlet_training.labelling.report import thresholds_text
from spotlet_training.labelling.settings import (
    AGREEMENTS,
    DOUBT_SHARE,
    EVERY,
    PASSES,
    TILE_PIXELS,
    parse_classes,
    parse_scores,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_teacher_arguments(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="SET", help="an existing one is continued"
    )
    parser.add_argument(
        "--thresholds-from",
        type=Path,
        metavar="SET",
        help="measure the best threshold of each class on this labelled set",
    )
    parser.add_argument(
        "--doubt",
        type=float,
        default=DOUBT_SHARE,
        metavar="SHARE",
        help="from this share of the threshold up to it, a detection is ignored, not background "
        "[%(default)s]",
    )
    parser.add_argument(
        "--agree",
        choices=AGREEMENTS,
        default=AGREEMENTS[0],
        help="how many of the models that know a class must find an object [%(default)s]",
    )
    parser.add_argument(
        "--passes",
        default=PASSES[0],
        metavar="NAMES",
        help=f"of {','.join(PASSES)}; tiled finds small objects [%(default)s]",
    )
    parser.add_argument(
        "--tile", type=int, default=TILE_PIXELS, help="side of a tile, pixels [%(default)s]"
    )
    parser.add_argument(
        "--by-change", action="store_true", help="frames that differ from all taken before"
    )
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="cores to use [all]")
    add_provider_argument(parser)


def add_teacher_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what is labelled, by what, and as which classes; `spotlet learn` has these too."""
    parser.add_argument(
        "pictures",
        nargs="+",
        help="pictures, videos, folders and globs of both, collected folders, labelled sets (whose "
        "labels stay)",
    )
    parser.add_argument(
        "--with",
        dest="models",
        action="append",
        default=[],
        metavar="MODEL",
        help="a bundled name, a package folder, or an .onnx file; may be repeated",
    )
    parser.add_argument(
        "--runner",
        dest="runners",
        action="append",
        default=[],
        metavar="COMMAND",
        help="a program that labels, such as 'python my_teacher.py'; may be repeated",
    )
    parser.add_argument(
        "--classes", metavar="A,B=C", help="which classes, and their names in the set [those found]"
    )
    parser.add_argument(
        "--score",
        metavar="T|NAME=T,...",
        help="least score of an object [the model's own threshold]",
    )
    parser.add_argument(
        "--every", type=int, metavar="N", help=f"each n-th frame of a video [{EVERY}]"
    )


def run(args: argparse.Namespace) -> int:
    """Labels the pictures, prints a table and the next commands.

    Raises:
        SpotletError: an argument, a teacher, a picture or the folder cannot be used.
    """
    of_all, by_class = (None, {}) if args.score is None else parse_scores(args.score)
    settings = LabelSettings(
        pictures=tuple(args.pictures),
        out=args.out,
        models=tuple(args.models),
        runners=tuple(args.runners),
        classes=None if args.classes is None else parse_classes(args.classes),
        score=of_all,
        class_scores=by_class,
        thresholds_from=args.thresholds_from,
        doubt=args.doubt,
        agree=args.agree,
        passes=tuple(each.strip() for each in args.passes.split(",")),
        tile_pixels=args.tile,
        every=args.every,
        by_change=args.by_change,
        threads=args.threads,
        provider=args.provider or "CPU",
    )
    terminal = _Terminal()
    try:
        summary = label(settings, terminal.callbacks)
    except KeyboardInterrupt:
        terminal.close()
        if (args.out / "annotations").exists():
            words = shlex.join(["spotlet", "label", *getattr(args, "words", [])])
            terminal.note(f"stopped; to continue: {words}")
        raise
    finally:
        terminal.close()
    _print(summary)
    return 0


class _Terminal:
    """Shows the progress once the number of pictures is known, and notes at any time."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self.callbacks = LabelCallbacks(
            on_start=self.start, on_picture=self.advance, on_note=self.note
        )

    def start(self, count: int | None) -> None:
        self._progress = Progress("label", total=count, unit="pictures")

    def advance(self) -> None:
        if self._progress is not None:
            self._progress.advance()

    def note(self, line: str) -> None:
        if self._progress is None:
            write_notice(f"note: {line}\n")
        else:
            self._progress.message(line)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.close()


def _print(summary: LabelSummary) -> None:
    print(
        table(
            [
                (one.name, one.objects, one.ignored, one.pictures, thresholds_text(one.thresholds))
                for one in summary.classes
            ],
            header=("class", "objects", "in doubt", "pictures", "threshold"),
        )
    )
    parts = [f"{summary.added} pictures labelled"]
    parts += [f"{summary.kept} already there"] if summary.kept else []
    parts += [f"{len(summary.skipped)} skipped"] if summary.skipped else []
    print(f"{summary.out}: {', '.join(parts)}")
    print(f"report, most doubtful pictures first: {summary.page}")
    for action in (["data", "check"], ["train"]):
        print(f"next: {shlex.join(['spotlet', *action, str(summary.out)])}")
