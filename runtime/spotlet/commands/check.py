"""`spotlet check`: does a model compute the right results on this machine?"""

import argparse
from dataclasses import replace
from pathlib import Path

from spotlet.atomic import check_replaceable
from spotlet.check import CheckReport, check_model
from spotlet.check.differences import Difference
from spotlet.check.located_files import MARKER, located_lines, write_located
from spotlet.check.locating import locate_difference
from spotlet.commands.options import add_model_arguments, add_session_arguments, session_settings
from spotlet.errors import GateError, ModelFileError, UsageError
from spotlet.model.package import PARITY_FILE, locate_models, recorded_files
from spotlet.model.providers import CPU_PROVIDER, full_provider_name, short_provider_name
from spotlet.session import SessionSettings
from spotlet.text.terminal import Progress

LOCATED_FOLDER = Path("located")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model_arguments(parser, without="all")
    add_session_arguments(parser)
    parser.add_argument(
        "--locate",
        action="store_true",
        help="where a model fails, find the first node that the provider computes differently "
        "from the CPU",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="with --locate: gets a folder for each such file, with the smallest graph that "
        f"differs [{LOCATED_FOLDER}]",
    )


def run(args: argparse.Namespace) -> int:
    """Prints, for each model file, a line for each rule, then PASS, WARN or FAIL.

    Returns 0 for WARN too: every rule holds, but no golden frame holds a detection.

    Raises:
        GateError: a rule does not hold.
    """
    if args.out is not None and not args.locate:
        raise UsageError(f"--out {args.out}: is written by --locate only; add --locate")
    paths = locate_models(args.model, args.variant)
    folders = {path: (args.out or LOCATED_FOLDER) / path.stem for path in paths}
    if args.locate:
        for folder in folders.values():
            check_replaceable(folder, marker=MARKER)
    failures = []
    errors = []
    for path in paths:
        settings = session_settings(args)
        provider = full_provider_name(settings.provider)
        if provider != CPU_PROVIDER:
            # A fallback would check the CPU instead of this provider.
            settings = replace(settings, strict_provider=True)
        try:
            report = check_model(path, settings)
        except ModelFileError as error:
            print(f"{path}\nFAIL: {error}")
            errors.append(error)
            continue
        _print(report)
        if report.failures and args.locate:
            _locate(path, settings, folders[path])
        elif report.failures and CPU_PROVIDER != report.provider == provider:
            print("  note  --locate finds the first node that this provider computes differently")
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


def _locate(path: Path, settings: SessionSettings, folder: Path) -> None:
    """Prints where the provider and the CPU part, and writes the smallest graph that differs."""
    try:
        with Progress("locate", unit="runs") as progress:
            found = locate_difference(path, settings, on_run=progress.advance)
    except (ModelFileError, UsageError) as error:
        print(f"  note  cannot be located: {error}")
        return
    if isinstance(found, Difference):
        provider = full_provider_name(settings.provider)
        plain = "it does without onnxruntime's rewriting of the graph"
        print(
            f"  note  nothing to locate: {short_provider_name(provider)} computes what "
            f"{plain if provider == CPU_PROVIDER else 'the CPU does here'}, to within "
            f"{found.largest:.2g}"
        )
        return
    print("located:")
    for line in located_lines(found, settings):
        print(f"  {line}")
    write_located(found, settings, folder)
    print(f"wrote {folder}: subgraph.onnx, values.npz, reproduce.py, {MARKER}")


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
