"""`--config FILE`: a command's arguments as TOML, for a service."""

import argparse
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spotlet.errors import InputError, UsageError

AddArguments = Callable[[argparse.ArgumentParser], None]

NOT_IN_FILE = {"help", "config", "debug"}


def apply_config(args: argparse.Namespace, add_arguments: AddArguments) -> None:
    """Fills in, from the file `args.config`, the arguments that the command line lacks.

    Keys are the long flags without their dashes, and the names of the positional arguments; a
    flag without a value is true or false.

    Args:
        args: parsed, with the `words` that they are from; changed in place unless `config` is None.
        add_arguments: of the command; defines the keys and their values.

    Raises:
        InputError: the file cannot be read, or is not TOML.
        UsageError: an unknown key, or a value of the wrong kind.

    Example:
        `mode = "live"`, `stall-seconds = 5`, `source = ["rtsp://a/1", "rtsp://b/1"]`
    """
    if args.config is None:
        return
    path = Path(args.config)
    content = read_toml(path)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_arguments(parser)
    actions = {action.dest: action for action in parser._actions}
    given = _given(parser, args.words)
    for key, value in content.items():
        action = actions.get(key.replace("-", "_"))
        if action is None or action.dest in NOT_IN_FILE:
            known = ", ".join(sorted(d.replace("_", "-") for d in set(actions) - NOT_IN_FILE))
            raise UsageError(f"{path}: {key}: unknown key; the keys are {known}")
        checked = _check(path, key, value, action)
        if action.dest not in given:
            setattr(args, action.dest, checked)


def _given(parser: argparse.ArgumentParser, words: Sequence[str]) -> frozenset[str]:
    """Returns the arguments that the words give, even if with their default values."""
    parser.add_argument("--debug", action="store_true")
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    return frozenset(vars(parser.parse_intermixed_args(words)))


def read_toml(path: Path) -> Mapping[str, Any]:
    """Returns the content of a TOML file.

    Raises:
        InputError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # also a number of 5,000 digits
        raise InputError(f"{path}: not TOML ({str(error) or type(error).__name__})") from error


def _check(path: Path, key: str, value: object, action: argparse.Action) -> object:
    """Returns the value as the command line would give it."""
    if action.nargs in ("*", "+") or isinstance(action, argparse._AppendAction):
        items = value if isinstance(value, list) else [value]
        return [_check_one(path, key, item, action) for item in items]
    return _check_one(path, key, value, action)


def _check_one(path: Path, key: str, value: object, action: argparse.Action) -> object:
    if action.nargs == 0:  # a flag without a value
        wanted, fits = "true or false", isinstance(value, bool)
    elif action.type in (int, float):
        number = isinstance(value, int if action.type is int else int | float)
        wanted, fits = "a number", number and not isinstance(value, bool)
    else:
        whole = key in ("source", "tiles") and type(value) is int  # a camera, a side in pixels
        wanted, fits = "text", isinstance(value, str) or whole
    if fits and action.choices is not None:
        wanted, fits = f"one of {', '.join(map(str, action.choices))}", value in action.choices
    if not fits:
        raise UsageError(f"{path}: {key} {value!r}: must be {wanted}")
    return str(value) if wanted == "text" else value
