"""Arguments that several commands share."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from spotlet.detector import Detector
from spotlet.distributions import OURS, overwritten
from spotlet.model.package import VARIANTS, locate_model
from spotlet.model.profile import find_profile
from spotlet.model.providers import CPU_PROVIDER
from spotlet.session import SessionSettings
from spotlet.streams import locate_source


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds how onnxruntime runs: `--threads`, `--provider`, `--strict-provider`, `--no-profile`."""
    group = parser.add_argument_group("onnxruntime")
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="cores that detection may use; 0, the default, is all of them",
    )
    add_provider_argument(group)
    group.add_argument(
        "--strict-provider",
        action="store_true",
        help="stop where the provider is not to be had, instead of using the CPU",
    )
    group.add_argument(
        "--no-profile",
        action="store_true",
        help="leave aside what `spotlet bench --tune` found; so do --threads and --provider",
    )


def add_provider_argument(parser: argparse._ActionsContainer) -> None:
    """Adds `--provider`."""
    parser.add_argument(
        "--provider",
        metavar="NAME",
        help="execution provider, CPU by default; `spotlet doctor` lists what is at hand",
    )


def add_model_arguments(
    parser: argparse.ArgumentParser, without: str = "fp32", *, optional: bool = False
) -> None:
    """Adds which model: its name or path, and `--variant`.

    Args:
        parser: of the command.
        without: what is taken where no variant is given, in words.
        optional: whether the model may be left out, since a file can name it.
    """
    parser.add_argument(
        "model",
        nargs="?" if optional else None,
        help="a bundled name, a package folder, or an .onnx file",
    )
    add_variant_argument(parser, without)


def add_variant_argument(parser: argparse.ArgumentParser, without: str = "fp32") -> None:
    """Adds `--variant`, for a command that names its model otherwise."""
    parser.add_argument(
        "--variant",
        choices=tuple(VARIANTS),
        help=f"which file of a package; {without} by default",
    )


def session_settings(
    args: argparse.Namespace, path: Path | None = None, mode: str | None = None
) -> SessionSettings:
    """Returns the settings that those arguments ask for.

    Without `--threads` and `--provider` they are those of the model's device profile, if there is
    one that holds here. A profile is a whole that was measured: one such flag puts all of it aside.
    With `--debug` a line on standard error says which it was.

    Args:
        args: of a command with these arguments.
        path: of the model file; None takes that of `args.model` and `args.variant`.
        mode: of the profile, `live` or `video`; None takes that of `args`.

    Raises:
        ModelFileError: there is no such model.
        UsageError: a value breaks its rule.
    """
    plain = SessionSettings(
        threads=args.threads or 0,
        provider=args.provider or "CPU",
        strict_provider=args.strict_provider,
    )
    if args.no_profile or not (args.threads is None and args.provider is None):
        return plain
    if path is None:
        if args.model is None:
            return plain
        path = locate_model(args.model, args.variant)
    found = find_profile(path)
    if getattr(args, "debug", False):
        print(f"session settings: {found.reason}", file=sys.stderr)
    if found.profile is None:
        return plain
    return replace(
        found.profile.settings[mode or _mode(args)], strict_provider=args.strict_provider
    )


def tell_provider(detector: Detector, *, debug: bool = False) -> None:
    """Says on standard error which provider was asked for and which was got.

    And, where distributions overwrote each other, which, and what mends it.
    Of the CPU where it was asked for, nothing is said, but with `--debug`.

    Args:
        detector: that was opened.
        debug: whether `--debug` was given.
    """
    use = detector.session.provider_use
    if debug or use.asked != CPU_PROVIDER:
        print(f"provider: {use.text}", file=sys.stderr)
        for module in OURS:
            if (why := overwritten(module)) is not None:
                print(f"{module}: {why}", file=sys.stderr)


def _mode(args: argparse.Namespace) -> str:
    """Returns whether a command takes one frame at a time, or gives each core one of its own."""
    mode = getattr(args, "mode", None)
    sources = getattr(args, "source", None)
    if isinstance(sources, list) and len(sources) > 1:
        return "video"  # each core has frames of its own, of cameras too
    if mode is None and isinstance(sources, list):
        return "live" if all(locate_source(source).is_live for source in sources) else "video"
    return mode or "live"
