"""How many processor cores this process may use, a container's limit included.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst
(version 1: cpu.cfs_quota_us, cpu.cfs_period_us).
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CPUS = Path("/sys/devices/system/cpu")
"""Says which processors are hyperthreads of one core, on Linux."""


def usable_cores() -> int:
    """Returns how many cores this process may use, from 1; part of a core counts as one."""
    cores = _allowed_cores()
    quota = quota_cores()
    return cores if quota is None else max(min(cores, math.ceil(quota)), 1)


def automatic_threads() -> int:
    """Returns the threads that a library should start if none are asked for; 0: it may decide.

    Libraries look at the cores and not at a container's limit: with more threads than that, each
    inference waits for threads that are held back.
    """
    cores = usable_cores()
    return cores if cores < _allowed_cores() else 0


def physical_cores() -> int:
    """Returns how many cores this process may use, hyperthreads not counted; 0 if unknown."""
    try:
        return len(
            {
                (CPUS / f"cpu{number}/topology/thread_siblings_list").read_text()
                for number in os.sched_getaffinity(0)
            }
        )
    except (OSError, AttributeError):
        return 0


def quota_cores(root: Path = Path("/")) -> float | None:
    """Returns the processor time a second that the control groups allow; None without a limit.

    Args:
        root: of the file system.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    limits = []
    mounts = root / "sys/fs/cgroup"
    for line in lines:
        controllers, _, place = line.partition(":")[2].partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for folder in _with_parents(place):
            if controllers:
                for mount in ("cpu", controllers):
                    quota = _words(mounts / mount / folder / "cpu.cfs_quota_us")
                    period = _words(mounts / mount / folder / "cpu.cfs_period_us")
                    limits.append((quota + period)[:2])
            else:
                limits.append(_words(mounts / folder / "cpu.max"))
    found = [
        int(quota) / int(period)
        for quota, period in (words for words in limits if len(words) == 2)
        if quota.isdecimal() and period.isdecimal() and int(quota) and int(period)
    ]
    return min(found, default=None)


def _allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _with_parents(place: str) -> Iterator[str]:
    """Yields a group and those above it; in a container, the topmost may be its own."""
    path = PurePosixPath(place)
    for each in (path, *path.parents):
        yield str(each).strip("/")


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (OSError, UnicodeDecodeError):
        return []
