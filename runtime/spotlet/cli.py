"""The program `spotlet`: finds the command, runs it, reports an error in one line.

A command is a module with `add_arguments(parser)` and `run(args) -> int`, registered as an entry
point of the group `spotlet.commands` and imported only when it is called.

Exit codes: 0 done; 2 wrong usage; 3 a gate did not pass; 4 an input cannot be read or an output
not written; 130 interrupted by Ctrl-C, 143 terminated by SIGTERM or SIGHUP, both after finishing
the files being written. To `spotlet run` of a camera, SIGHUP means to look for a new model. If the
reader of a pipe exits, as `head` does, the command ends quietly with 0.

Over 250 lines: finding a command, running it and ending its process depend on each other.
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

from spotlet.distributions import OURS, library_fault
from spotlet.errors import InputError, SpotletError, UsageError
from spotlet.text.credentials import hide_credentials
from spotlet.text.terminal import write_notice

COMMAND_GROUP = "spotlet.commands"
"""Entry points of this group are commands."""

OWN_PACKAGES = ("spotlet", "spotlet_training", "spotlet_export", "spotlet_models")
"""A module missing from these is our own bug, not a package to install."""

OWN_THREADS = "spotlet-"
"""Prefix of the names of threads that read sources and write outputs."""

SUMMARIES = {
    "demo": "run a bundled model on the bundled clips: a video, counts and figures",
    "run": "detect in images, videos, cameras or URLs",
    "check": "test that a model computes the right results on this machine",
    "bench": "measure what a model costs on this machine, and which of its files is faster",
    "info": "show a model's manifest",
    "doctor": "show what this installation and machine can do",
    "label": "label pictures or videos with models, for a person to correct",
    "learn": "label pictures with a model, train a small detector on them and export it",
    "data": "check a labelled set, or convert it to another format",
    "train": "train a detector on a labelled set",
    "evaluate": "measure the average precision of a checkpoint or a model on a labelled set",
    "pretrain": "pretrain a backbone on pictures without labels",
    "experiment": "repeat a published experiment: why a detector localizes poorly, and the cure",
    "scenes": "generate labelled scenes of garments on photographs to train on",
    "export": "turn a checkpoint into a proven model package",
    "adopt": "turn an ONNX detector from elsewhere into a proven model package",
    "prove": "compare two models of any kind, and say why they differ",
}
"""One line per command, in the order of `spotlet --help`, which imports no command."""

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived; code that finishes its files on Ctrl-C does so for these too."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises its errors as `UsageError`, in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code.

    Args:
        argv: the words after `spotlet`; None: those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    program = "spotlet"
    _prepare_streams()
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
            write_notice(hide_credentials(traceback.format_exc()))
        write_notice(hide_credentials(f"{program}: {error}") + "\n")
        return error.exit_code
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            write_notice(f"{program}: cannot write or read ({error.strerror})\n")
        # What is still buffered has nowhere to go, and Python would report that when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if isinstance(error, BrokenPipeError) else InputError.exit_code
    except Terminated:
        write_notice(f"{program}: terminated\n")
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        write_notice(f"{program}: interrupted\n")
        return EXIT_INTERRUPTED


def call(words: Sequence[str]) -> int:
    """Runs a command as a part of another one and returns its exit code; its errors are raised.

    Args:
        words: those after `spotlet`.

    Raises:
        SpotletError: the command failed, or there is no such command.
    """
    command = _find_command(words[0])
    return _run(command, f"spotlet {command.name}", list(words[1:]))


def run_process() -> NoReturn:
    """Runs the command that the process was called with, and ends the process.

    At exit Python kills a thread that is still inside a library, which can abort the process,
    though all files are finished. With such a thread, or after an interrupt, which can make Python
    forget one, the process exits at once.
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
        except SystemExit as end:  # of --help
            return int(end.code or 0)
        args.words = words
        return int(module.run(args))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in OWN_PACKAGES:
            raise
        # A base dependency may be missing on purpose: a Jetson has its own onnxruntime.
        extras = ",".join(command.extras)
        wanted = f'"spotlet[{extras}]"' if extras else OURS.get(missing, missing)
        raise UsageError(f"needs {missing}: pip install {wanted}") from error
    except ImportError as error:
        fault = library_fault(error)
        if fault is None:
            raise
        raise UsageError(fault) from error


def parse_words(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Returns the parsed words; flags may come between positional arguments.

    Args:
        parser: of a command; one with sub-commands takes flags before or after them, as usual.
        words: after the command's name.
    """
    if any(action.nargs == argparse.PARSER for action in parser._actions):
        return parser.parse_args(words)
    return parser.parse_intermixed_args(words)


def _commands() -> dict[str, importlib.metadata.EntryPoint]:
    """Returns the installed commands by name, in the order of `SUMMARIES`, then others."""
    found = {point.name: point for point in importlib.metadata.entry_points(group=COMMAND_GROUP)}
    return {name: found[name] for name in (*SUMMARIES, *sorted(found)) if name in found}


def _find_command(name: str) -> importlib.metadata.EntryPoint:
    commands = _commands()
    if name in commands:
        return commands[name]
    if name.startswith("-"):
        raise UsageError(f"{name}: not an option of spotlet itself; put options after the command")
    close = difflib.get_close_matches(name, commands, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(commands)}"
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


def _prepare_streams() -> None:
    """Makes standard output and error usable, whatever they are.

    A service manager may have closed them, and an accent in a file's name must not stop a run on a
    terminal with an old encoding.
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
    """Turns SIGTERM and SIGHUP into `Terminated` in the block; for the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    signals = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # An ignored signal stays ignored: `nohup` relies on it.
    before = {
        each: handler for each in signals if (handler := signal.getsignal(each)) != signal.SIG_IGN
    }

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        for each in before:  # a second one must not interrupt what the first has begun
            signal.signal(each, signal.SIG_IGN)
        raise Terminated

    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
