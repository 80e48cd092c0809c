"""Opens the original: a session of onnxruntime for it, and a graph that the runtime loads."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt
import onnx
import onnxruntime as ort

from spotlet.errors import ModelFileError
from spotlet.model.opening import session_options
from spotlet.model.providers import CPU_PROVIDER
from spotlet.session import SessionSettings
from spotlet.text.plain import first_line
from spotlet_export.adoption.original.graph import NEWEST_OPSET, flat, make_loadable, of_known_opset
from spotlet_export.adoption.original.suppression_rule import SuppressionRule
from spotlet_export.gate.interruption import interruptible
from spotlet_export.graph.opsets import opset_of


def opened(
    model: onnx.ModelProto,
    image: str,
    feeds: Mapping[str, npt.NDArray[Any]],
    on_remark: Callable[[str], None],
) -> tuple[ort.InferenceSession, onnx.ModelProto, SuppressionRule | None]:
    """Returns a session for the file as it is, and a graph that the runtime loads.

    If it was cut off before its suppression, how it suppresses is returned too.

    Only where the graph had to be cut off before its suppression, or onnxruntime cannot read the
    opset of the file, the session is for the changed graph as well.

    Args:
        model: the file; may be changed.
        image: its input with the picture.
        feeds: values that its inputs can have.
        on_remark: called with what was changed.

    Raises:
        ModelFileError: onnxruntime cannot load or run it, or nothing of it can be adopted.
    """
    opset = opset_of(model)
    try:
        session = _session(model)
        model = flat(model)
    except ModelFileError:
        if opset <= NEWEST_OPSET:
            raise
        model = of_known_opset(flat(model))
        session = _session(model)
        on_remark(
            f"opset {opset}, which onnxruntime {ort.__version__} does not read: the original runs "
            f"as opset {NEWEST_OPSET} too"
        )

    def run(other: onnx.ModelProto) -> dict[str, npt.NDArray[Any]]:
        names = [each.name for each in other.graph.output]
        other_session = _session(other)
        try:
            results = interruptible(lambda: other_session.run(names, dict(feeds)))
            return dict(zip(names, results, strict=True))
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ModelFileError(f"onnxruntime cannot run it ({first_line(error)})") from error

    suppression = make_loadable(model, image, run, on_remark)
    if suppression is not None:
        session = _session(model)
    return session, of_known_opset(model), suppression


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    content, options = model.SerializeToString(), session_options(SessionSettings())
    try:
        return interruptible(
            lambda: ort.InferenceSession(content, options, providers=[CPU_PROVIDER])
        )
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise ModelFileError(f"onnxruntime cannot load it ({first_line(error)})") from error
