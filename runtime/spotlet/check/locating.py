"""Locates where a provider computes a model differently from this machine's CPU.

The CPU's own results are the reference, so that a device needs no record of thousands of tensors.
For the CPU itself, it is its plain computation, without onnxruntime's rewriting of the graph.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spotlet.check.bisection import locate
from spotlet.check.differences import Difference
from spotlet.check.findings import Feeds, Located, Opener, Session, Sides
from spotlet.check.golden import MOST_FRAMES, read_golden_frame
from spotlet.check.probe import synthetic_canvases
from spotlet.check.tolerances import INT8_PROVIDER_TOLERANCE, choose_tolerances
from spotlet.errors import ModelFileError, UsageError
from spotlet.letterbox import ImageArray
from spotlet.manifest import InputRule
from spotlet.model.files import MOST_MODEL_BYTES, package_member, read_bounded
from spotlet.model.graph_tensors import Array
from spotlet.model.opening import open_session
from spotlet.model.package import GOLDEN_FOLDER, read_parity
from spotlet.model.providers import CPU_PROVIDER, full_provider_name
from spotlet.session import ModelSession, SessionSettings
from spotlet.text.plain import first_line


def locate_difference(
    path: Path, settings: SessionSettings, *, on_run: Callable[[], object] = lambda: None
) -> Located | Difference:
    """Returns the first node that a provider computes differently from the CPU.

    It compares the synthetic canvases and the package's golden frames, and looks into the one with
    the largest difference. See `spotlet.check.bisection`.

    Args:
        path: of the `.onnx` file.
        settings: with the provider. For the CPU, the reference is its plain computation.
        on_run: called after each session of the provider is opened, which may take minutes.

    Returns:
        The largest difference of an output if it is below what counts.

    Raises:
        ModelFileError: the file or a golden frame cannot be read, or a side cannot compute it.
        UsageError: the provider is unknown or unavailable, or refuses the graph with intermediate
            tensors.
    """
    session = ModelSession(path)
    rule, provider = session.manifest.input, full_provider_name(settings.provider)
    pictures = [{rule.name: canvas[np.newaxis]} for canvas in _canvases(path, rule)]
    plain = replace(settings, provider=CPU_PROVIDER, optimisation="none", reduced_precision=False)
    if provider == CPU_PROVIDER:
        reference, steady = plain, replace(plain, optimisation="basic")
    else:
        reference, steady = replace(plain, optimisation="all"), plain
    suspect = replace(settings, strict_provider=True)
    allowed = choose_tolerances(session, read_parity(path)).same_machine
    if allowed.ties and provider != CPU_PROVIDER:  # eight bits
        allowed = INT8_PROVIDER_TOLERANCE
    with tempfile.TemporaryDirectory(prefix="spotlet-") as folder:
        part = Path(folder) / path.name
        sides = Sides(
            reference=_opener(reference, part, path),
            steady=_opener(steady, part, path),
            suspect=_opener(suspect, part, path, on_run),
            share=allowed.tensors,
        )
        return locate(read_bounded(path, MOST_MODEL_BYTES), pictures, sides)


def _canvases(path: Path, rule: InputRule) -> Iterator[ImageArray]:
    """Yields canvases (H, W, 3) uint8: the synthetic ones, then the golden frames'."""
    yield from synthetic_canvases(rule.size_hw)
    folder = package_member(path.parent, GOLDEN_FOLDER)
    for file in sorted(folder.glob("*.png"))[:MOST_FRAMES]:
        frame = read_golden_frame(folder, file.stem)
        yield rule.letterbox((frame.shape[0], frame.shape[1])).apply(frame)


def _opener(
    settings: SessionSettings, part: Path, whole: Path, on_run: Callable[[], object] = lambda: None
) -> Opener:
    """Returns what opens a part of a model file, by way of a temporary file."""

    def open_part(content: bytes) -> Session:
        part.write_bytes(content)
        try:
            session, _, _ = open_session(part, settings)
        except (ModelFileError, UsageError) as error:
            raise type(error)(str(error).replace(str(part), f"{whole}, in part")) from error
        on_run()

        def compute(names: Sequence[str], feeds: Feeds) -> Sequence[Array]:
            try:
                found: Sequence[Array] = session.run(list(names), dict(feeds))
            except Exception as error:  # onnxruntime's exceptions share no public base class
                raise ModelFileError(
                    f"{whole}, in part: onnxruntime cannot run it ({first_line(error)})"
                ) from error
            return found

        return compute

    return open_part
