"""The gate: what each variant must pass, step by step, before anything is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import onnx
import torch

from spotlet.detections import Detections
from spotlet.errors import GateError
from spotlet.letterbox import ImageArray
from spotlet.manifest import Manifest
from spotlet.model.package import VARIANTS
from spotlet.session import ModelSession
from spotlet_export.gate.accuracy import compare_accuracy, network_accuracy
from spotlet_export.gate.detection_parity import compare_detections
from spotlet_export.gate.end_to_end import compare_end_to_end, with_low_threshold
from spotlet_export.gate.frames import check_frames
from spotlet_export.gate.reference import Reference, Tensors, make_reference
from spotlet_export.gate.report import Report, Row
from spotlet_export.gate.rules import compare_rules
from spotlet_export.gate.tensor_parity import compare_tensors
from spotlet_export.gate.tiled_parity import compare_in_tiles, judged_in_tiles, tiled_frames
from spotlet_export.gate.variants import END_TO_END, Limits
from spotlet_export.graph.suppression import with_suppression
from spotlet_training.datasets import Dataset
from spotlet_training.datasets.class_order import in_class_order
from spotlet_training.evaluation.evaluation import Evaluation
from spotlet_training.network import Network
from spotlet_training.network.checkpoint import Checkpoint

OnStep = Callable[[str], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Gate:
    """PyTorch's results, which every variant is compared with, and the variants' results.

    Attributes:
        checkpoint: what was trained.
        reference: tensors and detections of PyTorch.
        tiled: detections of PyTorch in frames that are cut; empty without tiles.
        before: evaluation of PyTorch; None without labelled objects of the model's classes.
        dataset: that accuracies are measured on.
        scratch: folder for the variants' files.
        on_step: called with the step that starts.
        files: the measured variants, by name.
        rows: of all of them, in order.
        evaluations: of each with the runtime, by name; empty without `before`.
    """

    checkpoint: Checkpoint
    reference: Reference
    tiled: Sequence[Detections]
    before: Evaluation | None
    dataset: Dataset
    scratch: Path
    on_step: OnStep
    files: dict[str, Path] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    evaluations: dict[str, Evaluation] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        manifest: Manifest,
        dataset: Dataset,
        scratch: Path,
        on_step: OnStep,
    ) -> "Gate":
        """Returns a gate that no variant has passed yet.

        Args:
            checkpoint: what was trained.
            manifest: of every variant.
            dataset: images to compare on; if they are labelled with the model's classes, the
                accuracy is compared too.
            scratch: an empty folder.
            on_step: called with the step that starts.

        Raises:
            GateError: the set is empty, or the network finds too little in it.
        """
        on_step("running PyTorch on the frames of the gate")
        folder = scratch / "frames"
        folder.mkdir()
        original = partial(pytorch_tensors, checkpoint.network)
        frames = check_frames(lambda index: dataset.load(index).image_bgr, len(dataset))
        reference = make_reference(original, manifest, frames, folder)
        threshold, cut = reference.score_threshold, tiled_frames(reference)
        tiled = judged_in_tiles(original, cut, manifest, threshold)
        before = None
        if sorted(dataset.class_names) == sorted(checkpoint.class_names):
            dataset = in_class_order(dataset, checkpoint.class_names)
            on_step(f"measuring the accuracy of PyTorch on {len(dataset)} images")
            before = network_accuracy(checkpoint.network, dataset, manifest.tiles)
        return cls(
            checkpoint=checkpoint,
            reference=reference,
            tiled=tiled,
            before=before,
            dataset=dataset,
            scratch=scratch,
            on_step=on_step,
        )

    def prove(self, variant: str, model: onnx.ModelProto, limits: Limits) -> Report:
        """Measures a variant: manifest, tensors, detections on image files, accuracy.

        Precondition: `model` has the gate's manifest. Postcondition: its file is in `scratch` under
        its name in a package, and its rows are in `rows`, passed or not.

        Returns:
            The rows of this variant.
        """
        file = self.write(VARIANTS[variant], model)
        session = ModelSession(file)
        self.on_step(f"{variant}: comparing tensors, PyTorch against onnxruntime")
        rows = [compare_rules(self.checkpoint, session.manifest, variant)]
        rows += compare_tensors(self.reference, session, limits, variant)
        self.on_step(f"{variant}: comparing detections on image files, PyTorch against the runtime")
        rows += compare_detections(self.reference, session, limits, variant)
        rows += compare_in_tiles(self.reference, self.tiled, session, limits, variant)
        if self.before is not None:
            self.on_step(f"{variant}: comparing the accuracy on {len(self.dataset)} images")
            row, after = compare_accuracy(self.before, file, self.dataset, limits, variant)
            rows.append(row)
            self.evaluations[variant] = after
        self.files[variant] = file
        self.rows += rows
        return Report(tuple(rows))

    def prove_end_to_end(self, variant: str, model: onnx.ModelProto) -> onnx.ModelProto:
        """Returns a variant with suppression in the graph, and measures it.

        What the network computes was proven for the variant that it is made from. What is left is
        that the graph's suppression finds what the runtime finds: at the model's score threshold
        and, if that is lower, at the reference's, where there is enough to compare.

        Args:
            variant: that it is made from, measured by `prove`.
            model: of that variant; not changed.

        Postcondition: as for `prove`.
        """
        made = END_TO_END[variant]
        joined = with_suppression(model)
        file = self.write(VARIANTS[made], joined)
        low = self.write("low.onnx", with_low_threshold(model, self.reference.score_threshold))
        self.on_step(f"{made}: comparing detections with those of {variant} in the runtime")
        manifest = ModelSession(file).manifest
        rows = [compare_rules(self.checkpoint, manifest, made)]
        rows += compare_end_to_end(self.reference, self.files[variant], (file, low), made)
        self.files[made] = file
        self.rows += rows
        return joined

    def accuracy_drop(self, model: onnx.ModelProto, limits: Limits, variant: str) -> float:
        """Returns the AP that a candidate loses against PyTorch.

        Precondition: `require_labels` raises nothing.
        """
        assert self.before is not None
        file = self.write("candidate.onnx", model)
        row, _ = compare_accuracy(self.before, file, self.dataset, limits, variant)
        return row.measured

    def require_labels(self, variant: str) -> None:
        """Requires labels, so that the accuracy can be compared.

        Raises:
            GateError: there is no labelled object of the model's classes.
        """
        if self.before is None:
            raise GateError(
                f"{variant} needs labelled validation images of the model's classes to measure "
                "its loss; give your set with --data"
            )

    def write(self, name: str, model: onnx.ModelProto) -> Path:
        """Writes a file into `scratch`; returns its path."""
        file = self.scratch / name
        file.write_bytes(model.SerializeToString())
        return file

    def require_passed(self) -> Report:
        """Returns the whole report.

        Raises:
            GateError: a row failed.
        """
        report = Report(tuple(self.rows))
        if not report.passed:
            failed = "; ".join(f"{row.variant} {row.name} ({row.over})" for row in report.failures)
            # Equal tensors, whose order is decided by rounding.
            of_ties = ("detections", "frames decided by a tie")
            tied = all(row.name.startswith(of_ties) for row in report.failures)
            remedy = "; scores of one that was trained little tie: train longer, or on more images"
            raise GateError(
                f"the ONNX file is not proven to be the same network; nothing written: {failed}"
                f"{remedy * tied}"
            )
        return report


def pytorch_tensors(network: Network, canvases: ImageArray) -> Tensors:
    """Returns boxes (N, K, 4) and scores (N, K, C) of the PyTorch network, eager, float32.

    Precondition: the network is as trained: not folded, not traced.

    Args:
        network: on the CPU, in evaluation mode.
        canvases: (N, H, W, 3) uint8 BGR.
    """
    with torch.inference_mode():
        boxes, scores = network(torch.from_numpy(canvases))
    return boxes.numpy(), scores.numpy()
