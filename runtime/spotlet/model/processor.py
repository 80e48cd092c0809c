"""The name of this processor, and its instructions for eight-bit products."""

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
"""Linux's description of the processor, in lines `name : value`."""

CPU_NAME_KEYS = ("model name", "hardware", "cpu model", "model")
"""Its lines that name the processor, on various architectures."""

FLAG_KEYS = ("flags", "features")
"""Its lines that list the processor's instruction sets, on x86 and on ARM."""

INT8_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""The instruction sets that multiply and add eight-bit numbers in one step: VNNI and AMX on x86,
the dot product and the matrix product on ARM."""


def cpu_name() -> str:
    """Returns what the system calls the processor, or its architecture."""
    # Not platform.processor(), which starts a program to ask, and returns nothing on Linux.
    lines = _cpu_info()
    names = (value for key, value in lines if key in CPU_NAME_KEYS and not value.isdigit())
    return next(names, "") or os.environ.get("PROCESSOR_IDENTIFIER", "") or platform.machine()


def int8_instructions() -> str:
    """Returns those of `INT8_FLAGS` that this processor has, separated by commas.

    `none` if it has none of them, `unknown` if the system lists no instruction sets.
    """
    for key, value in _cpu_info():
        if key in FLAG_KEYS:
            return ", ".join(flag for flag in INT8_FLAGS if flag in value.split()) or "none"
    return "unknown"


def _cpu_info() -> Iterator[tuple[str, str]]:
    """Yields the lines of `CPU_INFO`, keys in lower case; none on other systems."""
    with suppress(OSError), CPU_INFO.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            yield key.strip().lower(), value.strip()
