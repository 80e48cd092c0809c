"""`spotlet prove`: are two models the same, and if not, where do they part?"""

import argparse
from pathlib import Path

from spotlet.errors import GateError
from spotlet.text.terminal import write_notice
from spotlet_export.commands.dialogue import Steps
from spotlet_export.judging import ProveSettings, prove_models
from spotlet_export.judging.opening import LIMITS
from spotlet_training.commands.set_options import add_exhaustive_argument, asked_sets

SIDE_HELP = (
    "a .safetensors checkpoint; a bundled name, package or .onnx file with a manifest, perhaps "
    "with @int8 or another variant; or 'runner:COMMAND', a program that speaks the protocol of "
    "docs/runners.md"
)

LIMIT_HELP = {
    "tensors": "largest |Δ| of a tensor's elements",
    "unmatched": "share of detections without a partner",
    "iou": "least overlap of a detection with its partner",
    "scores": "largest |Δ| of a detection's score",
    "accuracy": "AP that may be lost",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("a", metavar="A", help=f"the model that is trusted: {SIDE_HELP}")
    parser.add_argument("b", metavar="B", help="the model in question, likewise")
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        metavar="DATASET",
        help="compare on its validation images; with labels of the models' classes, the AP too; "
        "repeatable",
    )
    add_exhaustive_argument(parser)
    parser.add_argument(
        "--image",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="compare on these (default without --data: A's golden frames)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("proof"),
        metavar="DIR",
        help="folder for proof.json, proof.html and the worst pictures [%(default)s]",
    )
    parser.add_argument(
        "--precision",
        choices=tuple(LIMITS),
        help="whose limits to use [those of the less precise model; float16 for a runner]",
    )
    for name, text in LIMIT_HELP.items():
        parser.add_argument(f"--limit-{name}", type=float, metavar="X", help=text)


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 0 if both are the same.

    Raises:
        GateError: they are not.
    """
    steps = Steps(unit="causes")
    given = {name: getattr(args, f"limit_{name}") for name in LIMIT_HELP}
    proof = prove_models(
        args.a,
        args.b,
        args.out,
        dataset=None if args.data is None else asked_sets(args.data, args.exhaustive).val,
        images=args.image,
        settings=ProveSettings(precision=args.precision, **given),
        on_step=steps.start,
        on_progress=steps.advance,
        on_report=lambda report: print(report.table(), flush=True),
    )
    for note in proof.notes:
        write_notice(f"{note}\n")
    if proof.report.passed:
        print(f"PASS: {proof.text} ({proof.page})")
        return 0
    print(proof.text)
    failed = "; ".join(dict.fromkeys(row.name for row in proof.report.failures))
    raise GateError(f"A and B are not the same: {failed}; {proof.page} shows where")
