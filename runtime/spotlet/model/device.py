"""Which model file, onnxruntime and processor something was measured with."""

import hashlib
import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import onnxruntime as ort

from spotlet.pipeline import usable_cores

CPU_INFO = Path("/proc/cpuinfo")
"""Where Linux says what the processor is."""

CPU_NAME_KEYS = ("model name", "hardware", "cpu model", "model")
"""Lines of it that name the processor, on one architecture or another."""

FLAG_KEYS = ("flags", "features")
"""Lines of it that list the processor's instruction sets, on x86 and on ARM."""

INT8_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""The instruction sets that multiply and add eight-bit numbers in one step: VNNI and AMX on x86,
the dot product and the matrix product on ARM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKey:
    """What a profile holds for.

    Attributes:
        model_sha256: checksum of the model file, hexadecimal.
        onnxruntime: its version.
        cpu: the processor's name.
        cores: how many of them this process may use.
    """

    model_sha256: str
    onnxruntime: str
    cpu: str
    cores: int


def device_key(path: Path) -> DeviceKey:
    """Returns what a profile of a model file must be for, to hold here and now.

    Raises:
        OSError: the file cannot be read.
    """
    return DeviceKey(
        model_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        onnxruntime=str(ort.__version__),
        cpu=cpu_name(),
        cores=usable_cores(),
    )


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """Returns what the system calls the processor, or its architecture."""
    # Not platform.processor(), which starts a program to ask, and hears nothing on Linux.
    try:
        with CPU_INFO.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip().lower() in CPU_NAME_KEYS and not value.strip().isdigit():
                    return value.strip()
    except OSError:
        pass
    return os.environ.get("PROCESSOR_IDENTIFIER", "") or platform.machine()


@lru_cache(maxsize=1)
def int8_instructions() -> str:
    """Returns this processor's instruction sets for eight-bit products; see `int8_flags`."""
    try:
        return int8_flags(CPU_INFO.read_text("utf-8", "replace"))
    except OSError:
        return int8_flags("")


def int8_flags(cpu_info: str) -> str:
    """Returns those of `INT8_FLAGS` that the text of `CPU_INFO` lists, separated by commas.

    `none` where it lists none of them, `unknown` where it lists no instruction sets.

    Example:
        >>> int8_flags("flags : fpu avx2 avx512_vnni"), int8_flags("flags : fpu"), int8_flags("")
        ('avx512_vnni', 'none', 'unknown')
    """
    for line in cpu_info.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in FLAG_KEYS:
            return ", ".join(flag for flag in INT8_FLAGS if flag in value.split()) or "none"
    return "unknown"
