"""Limits on how much of the machine onnxruntime may use for a model file."""

import contextlib
import os
import threading
from pathlib import Path

import onnxruntime as ort

from spotlet.errors import ModelFileError, UsageError
from spotlet.model.files import MOST_MODEL_BYTES, read_bounded
from spotlet.model.graph_file import check_graph_file

FOLDING_BYTES = 256 * 2**20
"""The limit for all constants that onnxruntime computes while it loads a model, in versions that
have one, as the newer ones do."""

LEAST_MEMORY_BYTES = 256 * 2**20
"""The least bound, even on a small machine: a detector at 640 pixels takes some 100 MB."""

UNKNOWN_MEMORY_BYTES = 4 * 2**30
"""The memory assumed for the machine if the system does not report it."""

_lock = threading.Lock()
_arena_bytes = 0


def guard_session(path: Path, options: ort.SessionOptions) -> bytes:
    """Checks that a model file can be loaded safely, and bounds the memory it may take.

    Args:
        path: of the `.onnx` file.
        options: of the coming session, changed in place.

    Returns:
        The file's content, so that onnxruntime loads exactly what was checked.

    Raises:
        ModelFileError: the file cannot be read, or breaks a rule of `spotlet.model.graph_rules`.
    """
    if path.suffix.lower() == ".ort":
        raise ModelFileError(f"{path}: is in onnxruntime's own format; use the `.onnx` file")
    try:
        content = read_bounded(path, MOST_MODEL_BYTES)
        facts = check_graph_file(content)
    except ModelFileError as error:
        text = str(error)
        raise error if text.startswith(str(path)) else ModelFileError(f"{path}: {text}") from error
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry(
        "optimization.constant_folding_max_output_size_in_bytes",
        str(FOLDING_BYTES // max(facts.constant_nodes, 1)),
    )
    limit_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return content


def limit_memory(most_bytes: int | None = None) -> int:
    """Bounds the memory for the tensors of all models of this process together, once.

    The first call sets the bound, at the latest when the first model is loaded. A model that needs
    more then fails with a `ModelFileError`, and the process continues.

    Args:
        most_bytes: from 1; None takes half of the memory that this process may use.

    Returns:
        The bound, in bytes.

    Raises:
        UsageError: another bound is already set, or the number is not valid.
    """
    global _arena_bytes
    if most_bytes is not None and (type(most_bytes) is not int or most_bytes < 1):
        raise UsageError(f"memory limit {most_bytes}: must be a whole number of bytes from 1")
    with _lock:
        if _arena_bytes and most_bytes not in (None, _arena_bytes):
            raise UsageError(
                f"memory limit {most_bytes}: is {_arena_bytes} already; set it before the first "
                "model is loaded"
            )
        if not _arena_bytes:
            _arena_bytes = most_bytes or max(usable_memory() // 2, LEAST_MEMORY_BYTES)
            _register_arena(_arena_bytes)
        return _arena_bytes


def usable_memory() -> int:
    """Returns the bytes that this process may use: the machine's, or its control group's."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        memory = UNKNOWN_MEMORY_BYTES
    try:
        group = Path("/proc/self/cgroup").read_text("ascii").strip().rpartition(":")[2]
        folder = Path("/sys/fs/cgroup") / group.lstrip("/")
        for place in (folder, *folder.parents):
            limit = place / "memory.max"
            if place.is_relative_to("/sys/fs/cgroup") and limit.is_file():
                text = limit.read_text("ascii").strip()
                memory = min(memory, int(text)) if text.isdigit() else memory
    except (OSError, ValueError):
        pass
    return memory


def _register_arena(most_bytes: int) -> None:
    """Gives onnxruntime one allocator with an upper bound, for all sessions that ask for it."""
    info = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    default = -1  # onnxruntime's own
    keys = ("arena_extend_strategy", "initial_chunk_size_bytes", "max_dead_bytes_per_chunk")
    rule = {"max_mem": most_bytes} | dict.fromkeys(keys, default)
    with contextlib.suppress(Exception):  # the host program has registered one: its bound holds
        ort.create_and_register_allocator(info, ort.OrtArenaCfg(rule))
