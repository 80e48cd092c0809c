"""Describes the machine of a measurement."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")

INSTRUCTIONS = (
    "neon",
    "asimddp",
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
)
"""The processor flags that determine a network's speed."""


def machine_record() -> dict[str, Any]:
    """Returns system, processor and number of processors, for JSON."""
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "instructions": [flag for flag in INSTRUCTIONS if flag in _flags()],
        "processors": os.cpu_count(),
    }


def measurement_record(packages: Sequence[str]) -> dict[str, Any]:
    """Returns date, machine and the versions of Python and of packages, for JSON."""
    versions = {name: version(name) for name in packages}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine_record(),
        "versions": {"python": platform.python_version(), **versions},
    }


def processor_name() -> str:
    """Returns the processor's name, if the system reports it."""
    return _line("model name") or platform.processor()


def _flags() -> list[str]:
    return (_line("flags") or _line("Features")).split()


def _line(key: str) -> str:
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return ""
