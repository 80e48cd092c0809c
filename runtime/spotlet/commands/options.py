"""Arguments that several commands share."""

import argparse

from spotlet.detector import Detector
from spotlet.distributions import OURS, overwritten
from spotlet.model.package import VARIANTS
from spotlet.model.providers import CPU_PROVIDER
from spotlet.session import SessionSettings
from spotlet.text.terminal import write_notice


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--threads`, `--provider` and `--strict-provider`."""
    group = parser.add_argument_group("onnxruntime")
    group.add_argument("--threads", type=int, metavar="N", help="cores to detect with [0: all]")
    add_provider_argument(group)
    group.add_argument(
        "--strict-provider",
        action="store_true",
        help="fail if the provider is unavailable, instead of falling back to the CPU",
    )


def add_provider_argument(parser: argparse._ActionsContainer) -> None:
    """Adds `--provider`."""
    parser.add_argument(
        "--provider", metavar="NAME", help="execution provider, see `spotlet doctor` [CPU]"
    )


def add_model_arguments(
    parser: argparse.ArgumentParser, without: str = "fp32", *, optional: bool = False
) -> None:
    """Adds the model, by name or path, and `--variant`.

    Args:
        parser: of the command.
        without: what is used if no variant is given, in words.
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
        "--variant", choices=tuple(VARIANTS), help=f"which file of a package [{without}]"
    )


def session_settings(args: argparse.Namespace) -> SessionSettings:
    """Returns the session settings that the arguments give.

    Raises:
        UsageError: a value breaks its rule.
    """
    return SessionSettings(
        threads=args.threads or 0,
        provider=args.provider or "CPU",
        strict_provider=args.strict_provider,
    )


def print_provider(detector: Detector, *, debug: bool = False) -> None:
    """Prints on standard error which provider was asked for, and which one is used.

    Also which distributions overwrote each other, with the remedy. If the CPU was asked for, it is
    printed with `--debug` only.
    """
    use = detector.session.provider_use
    if debug or use.asked != CPU_PROVIDER:
        write_notice(f"provider: {use.text}\n")
        for module in OURS:
            if (why := overwritten(module)) is not None:
                write_notice(f"{module}: {why}\n")
