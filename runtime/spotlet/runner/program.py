"""A program that is sent bytes and answers with lines, each within a time limit.

One thread, and no call that could block: a program that writes before it has read everything, or
fills its standard error, is read meanwhile.
"""

import codecs
import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence

from spotlet.errors import RunnerError, UsageError
from spotlet.lifetime import WAKE_SECONDS, Closing
from spotlet.text.plain import plain_line
from spotlet.text.terminal import write_notice

MOST_LINE_BYTES = 4 << 20
"""Limit of a line: 20,000 boxes with all digits of their coordinates have 2 MB."""

CHUNK_BYTES = 1 << 16
"""Read at once: a pipe's capacity on Linux."""

TAIL_BYTES = 2000
"""Kept of standard error, to quote its last line."""

MOST_LAST_CHUNKS = 16
"""Read of standard error after the end: a program that left the group could write forever."""

END_SECONDS = 5.0
"""How long a program may take to end after its input was closed, before it is killed."""


class Program(Closing):
    """A running program. Any error, Ctrl-C included, kills it with the programs that it started.

    Its standard error appears on that of this process.
    """

    def __init__(self, command: str) -> None:
        """Starts the program in a process group that Ctrl-C on the terminal does not reach.

        Args:
            command: the program and its arguments, quoted as for a shell, which is not used.

        Raises:
            UsageError: the command is empty or a quotation mark is missing, or this is Windows.
            RunnerError: it cannot be started.
        """
        self.title = f"runner '{plain_line(command, 120)}'"
        if os.name != "posix":
            raise UsageError(f"{self.title}: runners need Linux or macOS")
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"{self.title}: {error}; quote it as in a shell") from error
        if not words:
            raise UsageError(f"{self.title}: must be a program and its arguments")
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                words, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
            )
        except (OSError, ValueError) as error:
            why = plain_line(str(getattr(error, "strerror", None) or error))
            raise RunnerError(
                f"{self.title}: cannot start {plain_line(words[0], 120)} ({why}); give a program "
                "that can be executed, then its arguments"
            ) from error
        opened = self._process.stdin, self._process.stdout, self._process.stderr
        self._input, self._output, self._errors = (one for one in opened if one is not None)
        self._selector = selectors.DefaultSelector()
        for each in (self._input, self._output, self._errors):
            os.set_blocking(each.fileno(), False)
        for each in (self._output, self._errors):
            self._selector.register(each, selectors.EVENT_READ)
        self._received = bytearray()
        self._tail = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def exchange(self, parts: Sequence[bytes | memoryview], seconds: float, awaited: str) -> bytes:
        """Writes bytes to the program and returns the next line that it writes.

        Args:
            parts: what to write; views of arrays must be C-contiguous.
            seconds: for all of it.
            awaited: what the line is, for errors.

        Returns:
            The line without its end.

        Raises:
            RunnerError: the program ended, took longer, wrote a line over `MOST_LINE_BYTES`, or has
                been closed.
        """
        if self._input.closed:
            raise RunnerError(f"{self.title}: has ended; start it again")
        try:
            return self._exchange([memoryview(part).cast("B") for part in parts], seconds, awaited)
        except BaseException:
            self.kill()
            raise

    def _exchange(self, parts: list[memoryview], seconds: float, awaited: str) -> bytes:
        deadline = time.monotonic() + seconds
        if parts:
            self._selector.register(self._input, selectors.EVENT_WRITE)
        while parts or b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                did = "did not read all that it was sent" if parts else f"gave no {awaited}"
                raise self.fault(f"{did} within {seconds:g} s; it was stopped")
            ready = self._selector.select(min(left, WAKE_SECONDS))
            if not ready and self._process.poll() is not None:  # what it started holds its pipes
                raise self._ended(awaited)
            for key, _ in ready:
                if key.fileobj is self._input:
                    parts = self._write(parts)
                elif key.fileobj is self._errors:
                    self._read_errors()
                elif chunk := os.read(key.fd, CHUNK_BYTES):
                    self._received += chunk
                    if len(self._received) > MOST_LINE_BYTES:
                        raise self.fault(
                            f"wrote over {MOST_LINE_BYTES >> 20} MiB as its {awaited}; it must "
                            "be one line"
                        )
                elif b"\n" not in self._received:
                    raise self._ended(awaited)
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return line

    def _write(self, parts: list[memoryview]) -> list[memoryview]:
        """Writes what the pipe takes and returns what is left."""
        try:
            written = os.write(self._input.fileno(), parts[0])
            parts = [parts[0][written:], *parts[1:]] if written < len(parts[0]) else parts[1:]
        except BlockingIOError:
            return parts
        except BrokenPipeError:  # what it wrote before it ended may say why
            parts = []
        if not parts:
            self._selector.unregister(self._input)
        return parts

    def _read_errors(self) -> bool:
        """Passes on what the program wrote to standard error; returns whether there was any."""
        try:
            chunk = os.read(self._errors.fileno(), CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk and self._errors in self._selector.get_map():
            self._selector.unregister(self._errors)
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        write_notice(self._decoder.decode(chunk))
        return bool(chunk)

    def _ended(self, awaited: str) -> RunnerError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        code = self._process.returncode
        how = "closed its standard output" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was ended by signal {-code}"
            with contextlib.suppress(ValueError):  # a real-time signal has no name
                how = f"was ended by {signal.Signals(-code).name}"
        return self.fault(f"{how} instead of giving its {awaited}; run it alone to see why")

    def fault(self, what: str) -> RunnerError:
        """Kills the program and returns the error that says what it did.

        Args:
            what: follows the command; begins with a verb.
        """
        self.kill()
        lines = self._tail.decode("utf-8", "replace").splitlines()
        said = [line.strip() for line in lines if line.strip()]
        quoted = f" (its last words: {plain_line(said[-1], 200)})" if said else ""
        return RunnerError(f"{self.title}: {what}{quoted}")

    def close(self) -> None:
        """Closes the program's input and waits for its end; kills what has not ended by then."""
        if self._input.closed:
            return
        self._input.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Kills the program and all that it started, and closes the pipes."""
        if self._errors.closed:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for _ in range(MOST_LAST_CHUNKS):
            if not self._read_errors():
                break
        self._selector.close()
        for pipe in (self._input, self._output, self._errors):
            pipe.close()
