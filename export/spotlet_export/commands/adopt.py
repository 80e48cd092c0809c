"""`spotlet adopt`: another exporter's ONNX detector in, a proven model package out."""

import argparse
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from spotlet_export.adoption import AdoptSettings, Listener, Preview, Proposal, adopt_package
from spotlet_export.adoption.settings import CHOICES, read_anchors, read_classes
from spotlet_export.card.markdown import read_notes
from spotlet_export.commands.dialogue import Steps, agreed_to, confirmed
from spotlet_export.gate.int8_text import int8_text
from spotlet_export.gate.variants import DEFAULT_BUDGET

UNPROVEN = (
    "WARN: nothing is proven about detections on another machine: the model finds nothing in the "
    "golden frames; give --golden data, or images in which it is surer"
)
"""Ends the last line for a package whose check compares no detections."""


def _numbers(*counts: int) -> Callable[[str], tuple[float, ...]]:
    """Returns a parser of comma-separated numbers or fractions, which checks their count."""

    def parse(text: str) -> tuple[float, ...]:
        try:
            numbers = tuple(float(Fraction(part.strip())) for part in text.split(","))
        except (ValueError, ZeroDivisionError) as error:
            raise _wrong(text, "numbers, such as 0.5 or 1/255") from error
        if counts and len(numbers) not in counts:
            raise _wrong(text, f"{' or '.join(map(str, counts))} numbers")
        return numbers

    return parse


def _wrong(text: str, rule: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text!r} must be {rule}")


def _number(text: str) -> float:
    return _numbers(1)(text)[0]


def _three(text: str) -> tuple[float, ...]:
    numbers = _numbers(1, 3)(text)
    return numbers * 3 if len(numbers) == 1 else numbers


def _fixed(text: str) -> tuple[str, tuple[float, ...]]:
    name, equals, numbers = text.partition("=")
    if not equals:
        raise _wrong(text, "NAME=NUMBERS, such as orig_size=640,640")
    return name, _numbers()(numbers)


def _size(text: str) -> tuple[int, int]:
    height, by, width = text.lower().partition("x")
    if not (by and height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise _wrong(text, "HEIGHTxWIDTH, such as 480x640")
    return int(height), int(width)


def _strides(text: str) -> tuple[int, ...]:
    if not all(part.isdigit() for part in text.split(",")):
        raise _wrong(text, "whole numbers, such as 8,16,32")
    return tuple(int(part) for part in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


Option = tuple[str, str, Callable[[str], Any], str | None, str | None]
"""The flag, the field of `AdoptSettings` that it sets, how it is parsed, its metavar and help."""

OPTIONS: dict[str, tuple[Option, ...]] = {
    "what the network expects (default: by layout)": (
        ("--size", "size_hw", _size, "HxW", "of the canvas, if the file leaves it free"),
        ("--axes", "axes", str, None, None),
        ("--colour", "colour", str, None, None),
        ("--scale", "scale", _number, "X", "multiplies a pixel's 0 to 255, such as 1/255"),
        ("--mean", "mean", _three, "A[,B,C]", "subtracted after that"),
        ("--std", "std", _three, "A[,B,C]", "divides after that"),
        ("--resize", "resize", str, None, None),
        ("--interpolation", "interpolation", str, None, None),
        ("--pad-value", "pad_value", int, "GREY", "of the border, 0 to 255"),
        ("--fix", "fixed", _fixed, "NAME=A,B", "constant for another input; repeatable"),
    ),
    "what its outputs mean (default: by layout)": (
        ("--classes", "classes", read_classes, "FILE|a,b,c", "by class id (default: the file's)"),
        ("--layout", "layout", str, None, None),
        ("--outputs", "outputs", _names, "A[,B,C]", "which the layout uses, if there are more"),
        ("--box-format", "box_format", str, None, None),
        ("--box-unit", "box_unit", str, None, None),
        ("--activation", "activation", str, None, None),
        ("--background", "background", str, None, None),
        ("--strides", "strides", _strides, "8,16,32", "boxes are in grids: (xy + cell) * stride"),
        ("--anchors", "anchors", Path, "FILE", ".npy or .csv of (K, 4)"),
        ("--anchor-format", "anchor_format", str, None, "of that file [cxcywh]"),
        ("--offsets", "offsets", str, None, None),
        ("--variances", "variances", _numbers(4), "X,Y,W,H", None),
        ("--extra", "extra", int, "N", "last columns that are not classes"),
    ),
    "what the package says": (
        ("--score", "score_threshold", float, "T", "least score [0.4]"),
        ("--iou", "iou_threshold", float, "T", "of the suppression [0.6]"),
        ("--max-detections", "max_detections", int, "N", "per frame [300]"),
        ("--name", "name", str, None, "of the model (default: the folder's name)"),
        ("--licence", "licence", str, "TEXT", "of the weights (default: the file's)"),
        ("--notes", "notes", read_notes, "FILE", "Markdown for the card"),
        ("--attach", "attachments", Path, "FILE", "copy it into the package; repeatable"),
        (
            "--golden",
            "golden",
            str,
            None,
            "frames in the package for `spotlet check`: drawn, or your images [drawn, and small "
            "cuts of your images if no drawing has an object]",
        ),
    ),
}

REPEATABLE = ("fixed", "attachments")

ANCHOR_FORMATS = ("cxcywh", "xyxy", "cycxhw", "yxyx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments; each sets the field of `AdoptSettings` that it names."""
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
        help="shows objects of the model's classes; repeatable",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="do not ask: the boxes are right, and what is clearly proposed is adopted",
    )
    parser.add_argument(
        "--force", action="store_true", help="write it even if its boxes look wrong"
    )
    files = parser.add_argument_group("more files in the package")
    files.add_argument(
        "--end-to-end",
        action="store_true",
        help="also write each file with thresholding and suppression in its graph, for programs "
        "without Spotlet's runtime",
    )
    files.add_argument("--int8", action="store_true", help="also write an int8 file")
    files.add_argument(
        "--calibrate",
        type=Path,
        metavar="FOLDER",
        help="about a hundred pictures like those that the model will see, for --int8 (default: "
        "--data's training images, else --image)",
    )
    files.add_argument(
        "--data",
        type=Path,
        metavar="DATASET",
        help="a labelled set of the model's classes, to measure what --int8 loses",
    )
    files.add_argument(
        "--int8-budget",
        type=float,
        default=DEFAULT_BUDGET,
        metavar="AP",
        help="the most that int8 may lose on --data; layers go back to float to keep it "
        "[%(default)s]",
    )
    for title, options in OPTIONS.items():
        group = parser.add_argument_group(title)
        for flag, field, parse, metavar, text in options:
            group.add_argument(
                flag,
                dest=field,
                type=parse,
                action="append" if field in REPEATABLE else "store",
                choices=ANCHOR_FORMATS if field == "anchor_format" else CHOICES.get(field),
                metavar=metavar,
                help=text,
            )


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0, or raises what the exit code says."""
    ask = sys.stdin is not None and sys.stdin.isatty() and not args.yes
    steps = Steps()
    agreed: list[Proposal] = []

    def propose(proposal: Proposal, preview: Preview) -> bool:
        line = f"spotlet adopt {shlex.join(args.words)} {proposal.options}"
        if agreed_to(proposal, preview, line, ask=ask) or (args.yes and proposal.clear):
            agreed.append(proposal)
        return bool(agreed)

    done = adopt_package(
        args.model,
        args.out,
        args.image,
        settings_of(args),
        Listener(
            on_step=steps.start,
            on_progress=steps.advance,
            on_remark=print,
            on_report=lambda report: print(report.table(), flush=True),
            confirm=lambda preview: confirmed(preview, ask=ask and not agreed),
            propose=propose,
        ),
    )
    for doubt in done.doubts:
        print(f"written because of --force: {doubt}")
    if done.quantisation is not None:
        print(int8_text(done.quantisation))
    package = shlex.quote(str(done.package))
    sizes = [f"{done.file_bytes / 1e6:.2f} MB"]
    if len(done.sizes) > 1:
        sizes = [f"{name} {size / 1e6:.2f} MB" for name, size in done.sizes.items()]
    unproven = "" if done.golden_detections else f". {UNPROVEN}"
    print(
        f"PASS: {done.package} finds what the original finds ({', '.join(sizes)}); "
        f"look at {done.package / 'preview.png'}, then try `spotlet run {package} VIDEO "
        f"--save out.mp4`{unproven}"
    )
    return 0


def settings_of(args: argparse.Namespace) -> AdoptSettings:
    """Returns the settings that the arguments give; the others keep their defaults.

    Raises:
        InputError: a file cannot be read.
        UsageError: a value breaks its rule.
    """
    said = {each.name: getattr(args, each.name) for each in fields(AdoptSettings)}
    if args.anchors is not None:
        said["anchors"] = read_anchors(args.anchors, args.anchor_format or ANCHOR_FORMATS[0])
    if args.fixed is not None:
        said["fixed"] = dict(args.fixed)
    return AdoptSettings(**{name: value for name, value in said.items() if value is not None})
