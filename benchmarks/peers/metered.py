"""Runs a program and records its resources from outside.

    python metered.py RECORD LOG FIRST PROGRAM [ARGUMENT ...]

RECORD becomes JSON: `seconds` from start to end, `first_seconds` until a line of its output
contains FIRST (or null), `cpu_seconds` of all its threads, `megabytes` at its peak, its exit
`code`, `others` the processors that other programs used meanwhile, on average (Linux; else 0). LOG
becomes its output. This file is standalone and small: a program's peak memory, as the system counts
it, is at least that of the process that started it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of `ru_maxrss`; source: getrusage(2) of the two systems."""


PROC_STAT = Path("/proc/stat")


def busy_seconds() -> float:
    """Returns the busy time of all processors, since an arbitrary moment; source: proc(5)."""
    if not PROC_STAT.is_file():
        return 0.0
    user, nice, system, _, _, interrupts, soft, *_ = (
        PROC_STAT.read_text().split("\n")[0].split()[1:]
    )
    ticks = sum(map(int, (user, nice, system, interrupts, soft)))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Runs the program to its end."""
    record, log, first, *command = sys.argv[1:]
    first_seconds = None
    with Path(log).open("wb") as copy:
        busy, own = busy_seconds(), time.process_time()
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        assert process.stdout is not None
        pending = b""
        while first_seconds is None and (content := process.stdout.read(65536)):
            copy.write(content)
            pending = (pending + content)[-65536:]
            if first.encode() in pending:
                first_seconds = time.monotonic() - started
        shutil.copyfileobj(process.stdout, copy)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        busy, own = busy_seconds() - busy, time.process_time() - own
    cpu_seconds = usage.ru_utime + usage.ru_stime
    content_of_record = {
        "seconds": seconds,
        "first_seconds": first_seconds,
        "cpu_seconds": cpu_seconds,
        "megabytes": usage.ru_maxrss * PEAK_UNIT / 1e6,
        "others": max(0.0, busy - own - cpu_seconds) / seconds,
        "code": os.waitstatus_to_exitcode(status),
    }
    Path(record).write_text(json.dumps(content_of_record))


if __name__ == "__main__":
    main()
