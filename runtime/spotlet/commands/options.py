"""Arguments that several commands share."""

import argparse

from spotlet.package import VARIANTS
from spotlet.session import SessionSettings


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds how onnxruntime runs: `--threads`, `--provider`, `--strict-provider`."""
    group = parser.add_argument_group("onnxruntime")
    group.add_argument(
        "--threads", type=int, default=0, metavar="N", help="for one inference; 0 is automatic"
    )
    group.add_argument(
        "--provider", default="CPU", metavar="NAME", help="execution provider, CPU by default"
    )
    group.add_argument(
        "--strict-provider",
        action="store_true",
        help="stop where the provider is not to be had, instead of using the CPU",
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


def session_settings(args: argparse.Namespace) -> SessionSettings:
    """Returns the settings that those arguments ask for.

    Raises:
        UsageError: a value breaks its rule.
    """
    return SessionSettings(
        threads=args.threads, provider=args.provider, strict_provider=args.strict_provider
    )
