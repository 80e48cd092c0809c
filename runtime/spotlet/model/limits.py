"""What onnxruntime may take of the machine, whatever a model file asks of it."""

import os
import threading
from pathlib import Path

import onnxruntime as ort

from spotlet.errors import ModelFileError, UsageError
from spotlet.model.files import MOST_MODEL_BYTES, read_bounded
from spotlet.model.graph_file import check_graph_file

FOLDING_BYTES = 256 * 2**20
"""For all constants together that onnxruntime computes while it loads a model, in versions that
know such a limit; the newer ones do."""

LEAST_MEMORY_BYTES = 256 * 2**20
"""However small the machine: a detector at 640 pixels takes some 100 MB."""

UNKNOWN_MEMORY_BYTES = 4 * 2**30
"""Taken for the machine's memory where the system does not tell it."""

_lock = threading.Lock()
_arena_bytes = 0


def guard_session(path: Path, options: ort.SessionOptions) -> bytes:
    """Makes sure that a model file can be loaded without harm, and bounds what it may take.

    Args:
        path: of the `.onnx` file.
        options: of the session to come, changed in place.

    Returns:
        The file's content, so that onnxruntime loads what was looked at and no other file.

    Raises:
        ModelFileError: the file cannot be read, or breaks a rule of `spotlet.model.graph_rules`.
    """
    if path.suffix.lower() == ".ort":
        raise ModelFileError(f"{path}: is of onnxruntime's own format; give the `.onnx` file")
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
    """Bounds what all models of this process together take for their tensors, once for good.

    The first call sets the bound; the first model that is loaded calls it. A model that asks for
    more then fails with a `ModelFileError`, and the process lives on.

    Args:
        most_bytes: None takes half of the memory that this process may use.

    Returns:
        The bound, in bytes.

    Raises:
        UsageError: another bound is set already, or the number is none.
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
    """Returns the bytes that this process may use: of the machine, or of its control group."""
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
    """Gives onnxruntime one allocator for all sessions that ask for it, with an upper bound."""
    info = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    rule = {
        "max_mem": most_bytes,
        "arena_extend_strategy": -1,  # -1: as onnxruntime does by itself
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    try:
        ort.create_and_register_allocator(info, ort.OrtArenaCfg(rule))
    except Exception:  # the program around us has registered one: its bound holds
        return
