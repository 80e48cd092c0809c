"""Which model file, onnxruntime and processor something was measured with."""

import hashlib
import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import onnxruntime as ort

from spotlet.pipeline import usable_cores

CPU_NAME_KEYS = ("model name", "hardware", "cpu model", "model")
"""Lines of Linux's /proc/cpuinfo that name the processor, on one architecture or another."""


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
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip().lower() in CPU_NAME_KEYS and not value.strip().isdigit():
                    return value.strip()
    except OSError:
        pass
    return os.environ.get("PROCESSOR_IDENTIFIER", "") or platform.machine()
