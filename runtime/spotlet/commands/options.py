"""Arguments that several commands share."""

import argparse

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


def session_settings(args: argparse.Namespace) -> SessionSettings:
    """Returns the settings that those arguments ask for.

    Raises:
        UsageError: a value breaks its rule.
    """
    return SessionSettings(
        threads=args.threads, provider=args.provider, strict_provider=args.strict_provider
    )
