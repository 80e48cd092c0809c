"""`spotlet check`: does a model compute the right thing on this machine?"""

import argparse

from spotlet.commands.options import add_session_arguments, session_settings
from spotlet.errors import GateError
from spotlet.verification import check_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("model", help="a bundled name, a package folder, or an .onnx file")
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a line for each rule, and PASS.

    Raises:
        GateError: a rule does not hold.
    """
    report = check_model(args.model, session_settings(args))
    print(f"{report.path} on {report.provider}")
    for row in report.rows:
        print(f"  {'ok  ' if row.passed else 'FAIL'}  {row.rule}: {row.measured}")
    failed = [row for row in report.rows if not row.passed]
    if failed:
        raise GateError(f"{args.model}: FAIL: {failed[0].rule}: {failed[0].measured}")
    if not report.recorded:
        print("  note  no parity.json beside the file: nothing of the export to compare with")
    print("PASS")
    return 0
