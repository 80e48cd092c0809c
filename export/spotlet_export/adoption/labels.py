"""A labelled set, and what int8 loses on it. Needs the training, which adopting alone does not."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spotlet.errors import GateError, UsageError
from spotlet_export.gate.reference import Reference
from spotlet_export.gate.report import Row
from spotlet_export.gate.variants import INT8, Limits

if TYPE_CHECKING:
    from spotlet_training.datasets import Dataset


class Labels:
    """A labelled set, and what int8 loses on it.

    Attributes:
        drop: AP that the last candidate lost.
    """

    def __init__(
        self, data: Path, float_file: Path, reference: Reference, on_step: Callable[[str], None]
    ) -> None:
        """Measures the float32 file on the validation images.

        Raises:
            GateError: no object is labelled in them.
            DatasetError: the set cannot be read, or has other classes.
        """
        self._data = data
        self._dataset = open_labels(data, reference.manifest.classes)
        from spotlet_training.evaluation.evaluation import evaluate_model

        on_step(f"measuring the accuracy of float32 on {len(self._dataset)} images")
        self._before = evaluate_model(float_file, self._dataset)
        if self._before.accuracy.ap is None:
            raise GateError(f"--data {data}: no labelled object to measure the loss of int8 on")
        self.drop = 0.0

    def training_images(self) -> "Dataset":
        """Returns the set's training images, to calibrate on."""
        from spotlet_training.datasets import open_dataset

        return open_dataset(self._data, "train")

    def row(self, file: Path, limits: Limits) -> Row:
        """Returns the row for a candidate's AP; `drop` is what it loses."""
        from spotlet_export.gate.accuracy import compare_accuracy

        row, _ = compare_accuracy(self._before, file, self._dataset, limits, INT8)
        self.drop = row.measured
        return row


def open_labels(data: Path, classes: tuple[str, ...]) -> "Dataset":
    """Returns the validation images of a labelled set.

    Raises:
        UsageError: the training's packages are missing.
        DatasetError: it cannot be read, or has other classes.
    """
    # Adopting needs neither torch nor the training, measuring accuracy does.
    try:
        import torch  # noqa: F401

        from spotlet_training.datasets import open_dataset
        from spotlet_training.datasets.class_order import in_class_order
    except ModuleNotFoundError as error:
        raise UsageError(f'--data: needs {error.name}: pip install "spotlet[training]"') from error
    return in_class_order(open_dataset(data, "val"), classes)
