"""`spotlet check`: does a model compute the right results on this machine?"""

import argparse
from dataclasses import replace
from pathlib import Path

from spotlet.check import CheckReport, check_model
from spotlet.commands.options import add_model_arguments, add_session_arguments, session_settings
from spotlet.errors import GateError, ModelFileError
from spotlet.model.package import PARITY_FILE, locate_models, recorded_files
from spotlet.model.providers import CPU_PROVIDER, full_provider_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model_arguments(parser, without="all")
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints, for each model file, a line for each rule, then PASS, WARN or FAIL.

    Returns 0 for WARN too: every rule holds, but no golden frame holds a detection.

    Raises:
        GateError: a rule does not hold.
    """
    paths = locate_models(args.model, args.variant)
    failures = []
    errors = []
    for path in paths:
        settings = session_settings(args, path)
        if full_provider_name(settings.provider) != CPU_PROVIDER:
            # A fallback would check the CPU instead of this provider.
            settings = replace(settings, strict_provider=True)
        try:
            report = check_model(path, settings)
        except ModelFileError as error:
            print(f"{path}\nFAIL: {error}")
            errors.append(error)
            continue
        _print(report)
        failures += [f"{path.name}: {row.rule}: {row.measured}" for row in report.failures]
    if args.variant is None and not Path(args.model).is_file():
        absent = set(recorded_files(paths[0].parent)) - {path.name for path in paths}
        failures += [
            f"{name}: {PARITY_FILE} lists it, but it is missing" for name in sorted(absent)
        ]
    if failures:
        raise GateError(f"{args.model}: FAIL: {'; '.join(failures)}")
    if errors:
        raise errors[0]
    return 0


def _print(report: CheckReport) -> None:
    print(f"{report.path} on {report.provider}")
    for note in report.notes:
        print(f"  note  {note}")
    for row in report.rows:
        verdict = "FAIL" if not row.passed else "warn" if row.warns else "ok  "
        print(f"  {verdict}  {row.rule}: {row.measured}")
    if not report.recorded:
        print("  note  no parity.json beside the file: cannot tell if it is the exported one")
    largest = report.largest_difference
    if not report.passed:
        print(f"FAIL: {len(report.failures)} of {len(report.rows)} rules")
    else:
        count = sum(not row.unproven for row in report.warnings)
        warned = f", {count} warning{'s' * (count > 1)}" if count else ""
        differs = "" if largest is None else f": largest difference {largest:.2g} from the export"
        unproven = ", nothing is proven about detections" * (report.verdict == "WARN")
        print(f"{report.verdict}{unproven}{warned}{differs}")
