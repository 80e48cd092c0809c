"""`spotlet adopt`: another's ONNX detector in, a proven model package out."""

import argparse
import shlex
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from spotlet.boxes import FloatArray
from spotlet.errors import InputError, UsageError
from spotlet.text.terminal import table
from spotlet_export.adoption.adopting import Listener, Preview, adopt_package
from spotlet_export.adoption.metadata import read_classes
from spotlet_export.adoption.settings import CHOICES, AdoptSettings

MOST_LISTED = 20
"""Detections of an image that are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("model", type=Path, help="an ONNX file of a detector")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PACKAGE", help="folder to write"
    )
    parser.add_argument(
        "--image",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="with objects of the model's classes on it; may be given again",
    )
    parser.add_argument(
        "--classes",
        metavar="FILE|a,b,c",
        help="their names, by class id (default: as the file says)",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask whether the boxes are right")
    parser.add_argument(
        "--force", action="store_true", help="write it although what it finds looks wrong"
    )
    _add_front(parser.add_argument_group("what the network wants (default: by layout)"))
    _add_behind(parser.add_argument_group("what its outputs mean (default: by layout)"))
    _add_package(parser.add_argument_group("what the package says"))


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises what the exit code says."""
    ask = sys.stdin is not None and sys.stdin.isatty() and not args.yes
    done = adopt_package(
        args.model,
        args.out,
        args.image,
        settings_of(args),
        Listener(
            on_step=lambda text: print(f"{text} …", file=sys.stderr),
            on_remark=print,
            on_report=lambda report: print(report.table(), flush=True),
            confirm=lambda preview: _shown(preview, ask=ask),
        ),
    )
    for doubt in done.doubts:
        print(f"written by force: {doubt}")
    package = shlex.quote(str(done.package))
    print(
        f"PASS: {done.package} finds what the original finds ({done.file_bytes / 1e6:.2f} MB); "
        f"look at {done.package / 'preview.png'}, then try `spotlet run {package} VIDEO "
        "--save out.mp4`"
    )
    return 0


def settings_of(args: argparse.Namespace) -> AdoptSettings:
    """Returns the settings that the words say.

    Raises:
        InputError: a file cannot be read.
        UsageError: a value breaks its rule.
    """
    return AdoptSettings(
        classes=None if args.classes is None else read_classes(args.classes),
        layout=args.layout,
        outputs=tuple(args.outputs.split(",")) if args.outputs else (),
        size_hw=None if args.size is None else _size(args.size),
        axes=args.axes,
        colour=args.colour,
        scale=None if args.scale is None else _numbers("scale", args.scale, 1)[0],
        mean=_three("mean", args.mean),
        std=_three("std", args.std),
        fixed=dict(_fixed(text) for text in args.fix),
        resize=args.resize,
        interpolation=args.interpolation,
        pad_value=args.pad_value,
        box_format=args.box_format,
        box_unit=args.box_unit,
        activation=args.activation,
        background=args.background,
        strides=_strides(args.strides),
        anchors=None if args.anchors is None else read_anchors(args.anchors, args.anchor_format),
        offsets=args.offsets,
        variances=None if args.variances is None else _four("variances", args.variances),
        extra=args.extra,
        score_threshold=args.score,
        iou_threshold=args.iou,
        max_detections=args.max_detections,
        name=args.name,
        licence=args.licence,
        notes=_notes(args.notes),
        golden=args.golden,
        attachments=args.attach,
        force=args.force,
    )


def read_anchors(path: Path, box_format: str) -> FloatArray:
    """Returns anchors (K, 4) as cxcywh in [0, 1] of the canvas, from a .npy or .csv.

    Raises:
        InputError: the file cannot be read.
        UsageError: it holds no such anchors.
    """
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as .npy or .csv of numbers ({error})") from error
    if values.ndim != 2 or values.shape[1] != 4 or not np.isfinite(values).all():
        raise UsageError(f"{path}: anchors of shape {values.shape}; must be (K, 4), finite")
    if np.abs(values).max() > 4:
        raise UsageError(f"{path}: anchors up to {values.max():g}; must be in parts of the canvas")
    if box_format == "xyxy":
        values = np.hstack([(values[:, :2] + values[:, 2:]) / 2, values[:, 2:] - values[:, :2]])
    anchors: FloatArray = values.astype(np.float32)
    return anchors


def _shown(preview: Preview, *, ask: bool) -> bool:
    """Prints what was found; returns whether a person says that these are the boxes."""
    for name, found in preview.detections.items():
        rows = [
            (each.name, f"{each.score:.3g}", ", ".join(f"{side:.0f}" for side in each.box_xyxy))
            for each in list(found)[:MOST_LISTED]
        ]
        print(f"{name}: {len(found)} found" + (" (the best of them)" * (len(found) > MOST_LISTED)))
        if rows:
            print(table(rows, header=("class", "score", "box, pixels of the image")))
    if not ask:
        return True
    print(f"drawn in {preview.picture}")
    try:
        return input("Are these the boxes? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _add_front(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--size", metavar="HxW", help="canvas, where the file leaves it free")
    group.add_argument("--axes", choices=CHOICES["axes"])
    group.add_argument("--colour", choices=CHOICES["colour"])
    group.add_argument("--scale", metavar="X", help="of a pixel's 0 to 255, as 1/255")
    group.add_argument("--mean", metavar="A[,B,C]", help="taken away after the scale")
    group.add_argument("--std", metavar="A[,B,C]", help="divided by after that")
    group.add_argument("--resize", choices=CHOICES["resize"])
    group.add_argument("--interpolation", choices=CHOICES["interpolation"])
    group.add_argument("--pad-value", type=int, metavar="GREY")
    group.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=A,B",
        help="what another input is given always; may be given again",
    )


def _add_behind(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--layout", choices=CHOICES["layout"])
    group.add_argument("--outputs", metavar="A[,B,C]", help="those of the layout, of more")
    group.add_argument("--box-format", choices=CHOICES["box_format"])
    group.add_argument("--box-unit", choices=CHOICES["box_unit"])
    group.add_argument("--activation", choices=CHOICES["activation"])
    group.add_argument("--background", choices=CHOICES["background"])
    group.add_argument(
        "--strides", metavar="8,16,32", help="boxes are offsets in grids: (xy + cell) * stride"
    )
    group.add_argument("--anchors", type=Path, metavar="FILE", help=".npy or .csv of (K, 4)")
    group.add_argument("--anchor-format", choices=("cxcywh", "xyxy"), default="cxcywh")
    group.add_argument("--offsets", choices=CHOICES["offsets"])
    group.add_argument("--variances", metavar="X,Y,W,H")
    group.add_argument(
        "--extra", type=int, default=0, metavar="N", help="last columns that are no classes"
    )


def _add_package(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--score", type=float, metavar="T", help="least score [0.4]")
    group.add_argument("--iou", type=float, metavar="T", help="of the suppression [0.6]")
    group.add_argument("--max-detections", type=int, metavar="N", help="of a frame [300]")
    group.add_argument("--name", help="of the model (default: the folder's name)")
    group.add_argument("--licence", metavar="TEXT", help="of the weights (default: the file's)")
    group.add_argument("--notes", type=Path, metavar="FILE", help="Markdown for the card")
    group.add_argument("--attach", type=Path, action="append", default=[], metavar="FILE")
    group.add_argument(
        "--golden",
        choices=CHOICES["golden"],
        default="generated",
        help="frames that the package carries: drawings, or of your images [%(default)s]",
    )


def _size(text: str) -> tuple[int, int]:
    height, by, width = text.lower().partition("x")
    if not (by and height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise UsageError(f"--size {text}: must be HEIGHTxWIDTH, as 480x640")
    return int(height), int(width)


def _strides(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    if not all(part.isdigit() for part in text.split(",")):
        raise UsageError(f"--strides {text}: must be whole numbers, as 8,16,32")
    return tuple(int(part) for part in text.split(","))


def _numbers(option: str, text: str, *counts: int) -> list[float]:
    try:
        numbers = [float(Fraction(part.strip())) for part in text.split(",")]
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--{option} {text}: must be numbers, as 0.5 or 1/255") from error
    if counts and len(numbers) not in counts:
        wanted = " or ".join(map(str, counts))
        raise UsageError(f"--{option} {text}: must be {wanted} numbers")
    return numbers


def _three(option: str, text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    numbers = _numbers(option, text, 1, 3)
    first, second, third = numbers * 3 if len(numbers) == 1 else numbers
    return first, second, third


def _four(option: str, text: str) -> tuple[float, float, float, float]:
    first, second, third, fourth = _numbers(option, text, 4)
    return first, second, third, fourth


def _fixed(text: str) -> tuple[str, list[float]]:
    name, equals, numbers = text.partition("=")
    if not equals:
        raise UsageError(f"--fix {text}: must be NAME=NUMBERS, as orig_size=640,640")
    return name, _numbers("fix", numbers)


def _notes(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text; give a Markdown file") from error
