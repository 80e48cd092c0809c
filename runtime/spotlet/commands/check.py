"""`spotlet check`: does a model compute the right thing on this machine?"""

import argparse

from spotlet.check_report import CheckReport
from spotlet.commands.options import add_model_arguments, add_session_arguments, session_settings
from spotlet.errors import GateError
from spotlet.package import locate_models
from spotlet.verification import check_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model_arguments(parser, without="every one that is there")
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints, for each model file, a line for each rule, and PASS or FAIL.

    Raises:
        GateError: a rule does not hold.
    """
    settings = session_settings(args)
    failures = []
    for path in locate_models(args.model, args.variant):
        report = check_model(path, settings)
        _print(report)
        failures += [f"{path.name}: {row.rule}: {row.measured}" for row in report.failures[-1:]]
    if failures:
        raise GateError(f"{args.model}: FAIL: {failures[0]}")
    return 0


def _print(report: CheckReport) -> None:
    print(f"{report.path} on {report.provider}")
    for row in report.rows:
        print(f"  {'ok  ' if row.passed else 'FAIL'}  {row.rule}: {row.measured}")
    if not report.recorded:
        print(
            "  note  no parity.json and no golden frames beside the file: nothing to compare with"
        )
    largest = report.largest_difference
    if not report.passed:
        print(f"FAIL: {len(report.failures)} of {len(report.rows)} rules")
    elif largest is None:
        print("PASS")
    else:
        print(f"PASS: largest difference {largest:.2g} from the export")
