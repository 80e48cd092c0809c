"""The program `spotlet`: finds the command, runs it, says in one line what went wrong.

A command is a module with `add_arguments(parser)` and `run(args) -> int`, registered as an entry
point of the group `spotlet.commands` and imported only when it is called.

Exit codes: 0 done; 2 wrong usage; 3 a gate did not pass; 4 an input cannot be read or an output
not written; 130 interrupted with Ctrl-C, 143 ended with SIGTERM or SIGHUP, both after the files
that were being written are finished. When the reader of a pipe goes, as `head` does, the
command ends quietly with 0.
"""

import argparse
import contextlib
import difflib
import importlib.metadata
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType, ModuleType
from typing import NoReturn

from spotlet.distributions import OURS
from spotlet.errors import InputError, SpotletError, UsageError
from spotlet.text.credentials import hide_credentials

COMMAND_GROUP = "spotlet.commands"
"""Entry points of this group are commands."""

OWN_PACKAGES = ("spotlet", "spotlet_training", "spotlet_export", "spotlet_models")
"""A module missing from these is a bug of ours, not a package to install."""

OWN_THREADS = "spotlet-"
"""How the names of threads begin that read sources and write outputs."""

SUMMARIES = {
    "demo": "the shipped model on the shipped clip: a video, counts and figures",
    "run": "detect in images, a video, a camera or a URL",
    "check": "test that a model computes the right thing on this machine",
    "bench": "what a model costs on this machine; --tune finds its best settings",
    "info": "what a model says of itself",
    "doctor": "what this installation and machine can do",
    "data": "what is in a labelled set, and what is wrong with it",
    "train": "train a detector on a labelled set",
    "evaluate": "average precision of a checkpoint or a model on a labelled set",
    "pretrain": "teach a backbone what is in pictures, without labels",
    "experiment": "a published experiment again: why a detector localizes poorly, and the cure",
    "scenes": "generate labelled scenes of garments on photographs to train on",
    "export": "turn a checkpoint into a proven model package",
    "adopt": "turn another's ONNX detector into a proven model package",
}
"""One line a command, in the order of `spotlet --help`, where no command is imported."""

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came. Whatever finishes its files on Ctrl-C does the same now."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are Spotlet's: one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code.

    Args:
        argv: the words after `spotlet`; None takes the process's own.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    program = "spotlet"
    _settle_streams()
    try:
        with _termination_as_exception():
            if not words or words[0] in ("-h", "--help", "help"):
                print(_help(), flush=True)
                return 0 if words else UsageError.exit_code
            if words[0] in ("-V", "--version"):
                print(f"spotlet {importlib.metadata.version('spotlet')}", flush=True)
                return 0
            command = _find_command(words[0])
            program = f"spotlet {command.name}"
            code = _run(command, program, words[1:])
            sys.stdout.flush()
            return code
    except SpotletError as error:
        if "--debug" in words:
            print(hide_credentials(traceback.format_exc()), end="", file=sys.stderr)
        print(hide_credentials(f"{program}: {error}"), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            print(f"{program}: cannot be written or read ({error.strerror})", file=sys.stderr)
        # What is still buffered has nowhere to go, and Python would say so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if isinstance(error, BrokenPipeError) else InputError.exit_code
    except Terminated:
        print(f"{program}: terminated", file=sys.stderr)
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def run_process() -> NoReturn:
    """Runs the command that the process was called with, and ends the process.

    A thread that still is in a library would be torn out of it when Python ends, which aborts the
    process after all files are finished; so in that case nothing but the end is left. An interrupt
    can make Python forget such a thread.
    """
    code = main()
    if code in (EXIT_INTERRUPTED, EXIT_TERMINATED) or any(
        thread.name.startswith(OWN_THREADS) for thread in threading.enumerate()
    ):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _run(command: importlib.metadata.EntryPoint, program: str, words: list[str]) -> int:
    """Imports a command and runs it."""
    try:
        module: ModuleType = command.load()
        parser = _Parser(prog=program, description=_summary(command), allow_abbrev=False)
        parser.add_argument(
            "--debug", action="store_true", help="show where in the code an error came from"
        )
        module.add_arguments(parser)
        try:
            args = parse_words(parser, words)
        except SystemExit as end:  # --help was asked for
            return int(end.code or 0)
        args.words = words
        return int(module.run(args))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in OWN_PACKAGES:
            raise
        # Of the base, the rest may be left out on purpose: a Jetson has an onnxruntime already.
        extras = ",".join(command.extras)
        wanted = f'"spotlet[{extras}]"' if extras else OURS.get(missing, missing)
        raise UsageError(f"needs {missing}: pip install {wanted}") from error


def parse_words(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Returns what the words say; flags may stand between the words that are no flags.

    Args:
        parser: of a command; one with sub-commands takes flags before or after them, as always.
        words: after the command's name.
    """
    if any(action.nargs == argparse.PARSER for action in parser._actions):
        return parser.parse_args(words)
    return parser.parse_intermixed_args(words)


def _commands() -> dict[str, importlib.metadata.EntryPoint]:
    """Returns the installed commands by name, in the order of `SUMMARIES`, others after."""
    found = {point.name: point for point in importlib.metadata.entry_points(group=COMMAND_GROUP)}
    return {name: found[name] for name in (*SUMMARIES, *sorted(found)) if name in found}


def _find_command(name: str) -> importlib.metadata.EntryPoint:
    commands = _commands()
    if name in commands:
        return commands[name]
    if name.startswith("-"):
        raise UsageError(f"{name}: no such option here; options follow the command")
    close = difflib.get_close_matches(name, commands, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(commands)}"
    raise UsageError(f"{name}: no such command; {hint}")


def _summary(command: importlib.metadata.EntryPoint) -> str:
    return SUMMARIES.get(command.name, f"from {command.module}")


def _help() -> str:
    lines = [
        "usage: spotlet COMMAND [options]      spotlet COMMAND --help      spotlet --version",
        "",
        "Train a small two-head object detector, export it, run it on live video.",
        "",
    ]
    commands = _commands()
    width = max(map(len, commands), default=0)
    for name, command in commands.items():
        extra = f"   [spotlet{command.extras}]".replace("'", "") if command.extras else ""
        lines.append(f"  {name:<{width}}  {_summary(command)}{extra}")
    return "\n".join(lines)


def _settle_streams() -> None:
    """Makes standard output and error fit to print on, whatever they are.

    A service manager may have closed them, and an old terminal's encoding must not stop a run
    because of an accent in a file's name.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _termination_as_exception() -> Iterator[None]:
    """Turns SIGTERM and SIGHUP into `Terminated` meanwhile; only the main thread may set this."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    signals = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # One that is ignored already stays so: `nohup` means it.
    before = {
        each: handler for each in signals if (handler := signal.getsignal(each)) != signal.SIG_IGN
    }

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        for each in before:  # a second one must not break off what the first has begun
            signal.signal(each, signal.SIG_IGN)
        raise Terminated

    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
