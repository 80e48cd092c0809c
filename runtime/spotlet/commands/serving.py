"""`--serve`: where a run is served, found out before anything else starts."""

import argparse
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from spotlet.errors import UsageError
from spotlet.serve.address import TOKEN_VARIABLE, Listener, ServeAddress
from spotlet.sinks.sink import OnFailure, Sink
from spotlet.streams import Stream


def add_serve_arguments(group: argparse._ArgumentGroup) -> None:
    """Adds `--serve` and `--serve-token`."""
    group.add_argument(
        "--serve",
        metavar="HOST:PORT",
        help="a page to watch the run in a browser, with events and metrics; a port alone is one "
        "of 127.0.0.1, and any other address needs a token",
    )
    group.add_argument(
        "--serve-token",
        metavar="TOKEN",
        help=f"what a viewer must have; better in {TOKEN_VARIABLE} or --config, since everybody on "
        "this machine sees the flags of a process",
    )


def listen(args: argparse.Namespace) -> contextlib.AbstractContextManager[Listener | None]:
    """Returns the socket that `--serve` asks for, which listens already; None without the flag.

    Raises:
        UsageError: the flags break their rules, or the extra `serve` is not installed.
        OutputError: the port is taken.
    """
    token = args.serve_token or os.environ.get(TOKEN_VARIABLE)
    if args.serve is None:
        if args.serve_token:
            raise UsageError("--serve-token: needs --serve HOST:PORT")
        return contextlib.nullcontext()
    address = ServeAddress.parse(args.serve, token)
    try:
        import spotlet.serve.server  # noqa: F401 - only where it is asked for
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("spotlet"):
            raise
        raise UsageError(f'--serve needs {error.name}: pip install "spotlet[serve]"') from error
    return Listener(address)


def serve_sink(
    args: argparse.Namespace,
    listener: Listener,
    streams: Sequence[Stream],
    on_failure: OnFailure,
) -> Sink:
    """Returns the sink that serves a run, and tells where.

    Args:
        args: of `spotlet run`.
        listener: see `listen`; taken over.
        streams: what is read.
        on_failure: told in a line, in any thread.
    """
    from spotlet.serve.sink import ServeSink

    sink = ServeSink(
        listener,
        streams,
        on_failure,
        title=Path(args.model).name,
        stale_seconds=2 * args.stall_seconds,
    )
    needs = "" if listener.address.token is None else "; it asks for the token"
    on_failure(f"serving at {listener.url}{needs}")
    return sink
