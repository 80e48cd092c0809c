"""The ways to rewrite a file that differ in its batch, and the first that computes the same."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import onnx

from spotlet.errors import ModelFileError
from spotlet_export.adoption.original.file import MOST_BYTES, OriginalFile
from spotlet_export.adoption.proof import limits_of, same_in_batches, tensor_rows
from spotlet_export.adoption.rewriting.graph import rewrite
from spotlet_export.adoption.rewriting.watched_session import WatchedSession, digest
from spotlet_export.adoption.signature import Signature
from spotlet_export.gate.interruption import interruptible
from spotlet_export.gate.reference import Reference
from spotlet_export.graph.batches import (
    batch_of,
    narrow_places,
    with_late_copies,
    with_loose_batch,
)

MOST_PLACES = 12
"""Places in a graph, from its end, that are tried as the one from which on a batch is filled."""


class Candidate(NamedTuple):
    """A way to rewrite a file.

    Attributes:
        model: the original's, or the same with a loose batch.
        free_batch: whether the rewritten file takes any number of pictures, or one.
        copies: how often the network gets each picture.
        rows: how many results it returns for it.
    """

    model: onnx.ModelProto
    free_batch: bool
    copies: int = 1
    rows: int = 1


def rewritten(
    original: OriginalFile,
    signature: Signature,
    reference: Reference,
    scratch: Path,
    on_remark: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> tuple[onnx.ModelProto, WatchedSession]:
    """Returns the rewritten file, with a free batch if that does not change its results.

    Args:
        original: the file.
        signature: how it is read.
        reference: its results.
        scratch: folder for the file.
        on_remark: called with what became of a fixed batch.
        on_progress: called with the number of canvases that were computed, and of all.

    Raises:
        ModelFileError: it is over 2 GB, or onnxruntime cannot run it.
    """
    file = scratch / "adopted.onnx"
    batch = batch_of(original.model.graph, signature.input.name)
    for candidate, last in _candidates(original.model, signature, batch):
        model = rewrite(
            candidate.model,
            signature,
            reference.manifest,
            free_batch=candidate.free_batch,
            copies=candidate.copies,
            rows=candidate.rows,
        )
        if model.ByteSize() > MOST_BYTES:
            raise ModelFileError("over 2 GB when rewritten, the limit of one ONNX file")
        file.write_bytes(model.SerializeToString())
        try:
            session = interruptible(lambda: WatchedSession(file, _counter(reference, on_progress)))
            if last or _same(session, candidate, batch, signature, reference):
                break
        except ModelFileError as error:
            if last:
                text = str(error).replace(str(file), str(original.path))
                raise ModelFileError(text) from error
    if batch > 1:
        on_remark(_remark(batch, candidate))
    return model, session


def _candidates(
    model: onnx.ModelProto, signature: Signature, batch: int
) -> Iterator[tuple[Candidate, bool]]:
    """Yields the ways to rewrite a file, the best first, and whether it is the last, surest one."""
    image, rule = signature.input.name, signature.output
    loose = model if batch == 1 else with_loose_batch(model, image, batch)
    yield Candidate(loose, free_batch=True), False
    yield Candidate(loose, free_batch=False), batch == 1
    if batch > 1:
        outputs = list(rule.outputs)
        for place in narrow_places(model, image, outputs)[: -MOST_PLACES - 1 : -1]:
            late = with_late_copies(model, image, batch, place)
            yield Candidate(late, free_batch=False, rows=batch), False
        yield Candidate(model, free_batch=False, copies=batch, rows=batch), True


def _same(
    session: WatchedSession,
    candidate: Candidate,
    batch: int,
    signature: Signature,
    reference: Reference,
) -> bool:
    """Returns whether a candidate's results stay the same where it changed the batch."""
    limits = limits_of(session.path)
    if candidate.free_batch and not same_in_batches(session, reference, limits):
        return False
    return batch == 1 or all(
        row.passed for row in tensor_rows(reference, session, signature, limits)
    )


def _counter(
    reference: Reference, on_progress: Callable[[int, int], None]
) -> Callable[[int], None]:
    """Returns what counts computed canvases: the different ones alone, and all in batches."""
    canvases = [canvas for group in reference.groups for canvas in group.canvases]
    total, done = len(canvases) + len(set(map(digest, canvases))), 0

    def count(computed: int) -> None:
        nonlocal done
        done = min(done + computed, total)
        on_progress(done, total)

    return count


def _remark(batch: int, chosen: Candidate) -> str:
    fixed = f"the file's batch is fixed at {batch}"
    if chosen.copies > 1:
        return (
            f"{fixed}, and its graph works with no other: every frame is computed {batch} times; "
            f"an export with a batch of 1 is about {batch} times faster"
        )
    if chosen.rows > 1:
        return f"{fixed}: 1 now; only its last part still computes every frame {batch} times"
    return f"{fixed}: {'free' if chosen.free_batch else '1'} now"
