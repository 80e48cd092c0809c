"""A loaded model: a session, and a manifest that fits its graph."""

import contextlib
from pathlib import Path

import numpy as np
import onnxruntime as ort

from spotlet.boxes import FloatArray
from spotlet.errors import ModelFileError
from spotlet.letterbox import ImageArray
from spotlet.manifest import METADATA_KEY, Manifest
from spotlet.model.files import is_file
from spotlet.model.forks import ForkedSession
from spotlet.model.opening import SessionSettings, open_session
from spotlet.postprocess import cells_from_detections
from spotlet.text.plain import first_line

__all__ = ["ModelSession", "SessionSettings"]

MOST_SCORES = 2**24
"""Limit of a frame, cells times classes: 67 MB. YOLO26 at 640 pixels has 672,000."""


class ModelSession:
    """A loaded model: canvases in, the two tensors out.

    Attributes:
        manifest: the file's, checked against the graph.
        path: of the `.onnx` file.
        settings: as asked for.
        provider_use: the execution provider asked for, the one used, how many nodes of the graph
            it got, and why the two differ, if they do.
        provider: the one used, `provider_use.got`.
        sha256: of the file as it was loaded.
    """

    def __init__(
        self,
        path: Path,
        settings: SessionSettings = SessionSettings(),  # noqa: B008
    ) -> None:
        """Loads a model file.

        Raises:
            ModelFileError: there is no such file, it is not ONNX, or its manifest is missing or
                does not fit.
            UsageError: the provider is unknown or computes elsewhere, or is not available and
                `strict_provider` is on.
        """
        if not is_file(path):
            raise ModelFileError(f"{path}: no such file")
        self.path = path
        self.settings = settings
        session, self.provider_use, self.sha256 = open_session(path, settings)
        self.provider = self.provider_use.got
        # The process may leave this folder before the file is opened again.
        self._whole_path = whole = path.absolute()
        self._own = ForkedSession(session, lambda: open_session(whole, settings)[0])
        try:
            text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
            if text is None:
                raise ModelFileError(
                    "no spotlet manifest in the file; `spotlet export` writes one, or "
                    "`spotlet adopt` for a network from elsewhere"
                )
            self.manifest = Manifest.from_json(text)
            self._check_graph(session)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error
        except UnicodeDecodeError as error:  # from onnxruntime's names and metadata
            raise ModelFileError(f"{path}: holds text that is not UTF-8; copy it again") from error
        output = self.manifest.output
        self._output_names = [output.boxes, output.scores]
        if output.form == "detections":
            self._output_names += [output.class_ids, output.count]

    def __reduce__(self) -> tuple[type, tuple[Path, SessionSettings]]:
        """Pickles path and settings: the process that unpickles them opens the file."""
        return type(self), (self._whole_path, self.settings)

    def run(self, canvases: ImageArray) -> tuple[FloatArray, FloatArray]:
        """Returns boxes (N, K, 4) and scores (N, K, C) for canvases (N, H, W, 3) uint8.

        If the graph suppresses, each cell is a detection. A graph with a batch fixed at 1 runs once
        per canvas.

        Raises:
            ModelFileError: onnxruntime fails, or the outputs' shapes do not fit.
        """
        if self._one_at_a_time and len(canvases) > 1:
            results = [self._run_once(canvas[np.newaxis]) for canvas in canvases]
            boxes, scores = (np.concatenate(parts) for parts in zip(*results, strict=True))
            return boxes, scores
        return self._run_once(canvases)

    def release_memory(self) -> None:
        """Returns the memory to the system that onnxruntime keeps for later; runs a canvas.

        Other threads may run the model meanwhile. Providers other than the CPU keep theirs.
        """
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        canvas = np.zeros((1, *self.manifest.input.size_hw, 3), np.uint8)
        with contextlib.suppress(Exception):  # a provider or a host program without such memory
            self._own.get().run(self._output_names, {self.manifest.input.name: canvas}, options)

    def _run_once(self, canvases: ImageArray) -> tuple[FloatArray, FloatArray]:
        feeds = {self.manifest.input.name: canvases}
        session = self._own.get()
        try:
            boxes, scores, *found = session.run(self._output_names, feeds)
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ModelFileError(
                f"{self.path}: onnxruntime cannot run it ({first_line(error)})"
            ) from error
        if found and [item.shape for item in (scores, *found)] == [
            boxes.shape[:2],
            boxes.shape[:2],
            boxes.shape[:1],
        ]:
            class_ids, count = found
            self._limit_scores(boxes.shape[1])
            scores = cells_from_detections(scores, class_ids, count, len(self.manifest.classes))
        wanted = len(canvases), *boxes.shape[1:2], len(self.manifest.classes)
        if scores.shape != wanted or boxes.shape != (*wanted[:2], 4):
            raise ModelFileError(
                f"{self.path}: returned boxes {boxes.shape} and scores {scores.shape} for "
                f"{len(canvases)} canvases; must be (N, K, 4) and (N, K, {wanted[-1]})"
            )
        self._limit_scores(wanted[1])
        return boxes, scores

    def _limit_scores(self, cells: int) -> None:
        """Raises ModelFileError if decoding this many cells could exhaust the memory."""
        classes = len(self.manifest.classes)
        if cells * classes > MOST_SCORES:
            raise ModelFileError(
                f"{self.path}: returned {cells} cells of {classes} classes; must be at most "
                f"{MOST_SCORES} scores a frame"
            )

    def _check_graph(self, session: ort.InferenceSession) -> None:
        """Raises ModelFileError if the graph does not match the manifest."""
        rule = self.manifest.input
        inputs = {item.name: item for item in session.get_inputs()}
        outputs = {item.name: item for item in session.get_outputs()}
        output = self.manifest.output
        wanted: list[tuple[str, dict[str, ort.NodeArg], str, int, list[int]]] = [
            (rule.name, inputs, "tensor(uint8)", 4, [*rule.size_hw, 3]),
            (output.boxes, outputs, "tensor(float)", 3, [4]),
        ]
        if output.form == "cells":
            classes = len(self.manifest.classes)
            wanted.append((output.scores, outputs, "tensor(float)", 3, [classes]))
        else:
            wanted.append((output.scores, outputs, "tensor(float)", 2, []))
            wanted.append((output.class_ids, outputs, "tensor(int64)", 2, []))
            wanted.append((output.count, outputs, "tensor(int64)", 1, []))
        for name, arguments, type_name, rank, last_sides in wanted:
            if name not in arguments:
                raise ModelFileError(f"manifest names {name!r}, but the graph has no such tensor")
            shape, kind = arguments[name].shape, arguments[name].type
            ends_well = list(shape[len(shape) - len(last_sides) :]) == last_sides
            if kind != type_name or len(shape) != rank or not ends_well:
                raise ModelFileError(
                    f"tensor {name!r} is {kind} {shape}, the manifest wants {type_name} of "
                    f"{rank} axes ending in {last_sides}"
                )
        batch = inputs[rule.name].shape[0]
        if isinstance(batch, int) and batch != 1:
            raise ModelFileError(f"the graph's batch is fixed at {batch}; must be free or 1")
        self._one_at_a_time = batch == 1
