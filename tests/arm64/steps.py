"""Runs spotlet's commands, or tests, one after the other in one process.

Under emulation, starting Python and importing its libraries takes as long as a small model's
check. Standard input has a step in each line, `check cards` or `pytest FILE`; what it prints goes
into the file that follows it after a tab. Standard output gets the exit code when it has ended.
A step that needs too much of the processor ends the process.
"""

import contextlib
import resource
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

STEP_SECONDS = 900
"""Of the processor, not of the clock: a busy machine is no fault. The longest step needs 200."""


def main() -> None:
    """Runs steps as long as there are any."""
    for line in sys.stdin:
        step, log = line.rstrip("\n").split("\t")
        _limit_processor_time(STEP_SECONDS)
        with (
            Path(log).open("w") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            code = _run(shlex.split(step))
        print(code, flush=True)


def _limit_processor_time(seconds: int) -> None:
    """Lets the system end this process when it has used so much more."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (round(time.process_time()) + seconds, most))


def _run(words: Sequence[str]) -> int:
    """Returns the exit code of `spotlet WORDS...`, or of `pytest ...`."""
    # Here and not above: a step does not wait for what it does not need.
    if words[0] == "pytest":
        import pytest

        return int(pytest.main(list(words[1:])))
    from spotlet.cli import main as spotlet

    return spotlet(words)


if __name__ == "__main__":
    main()
