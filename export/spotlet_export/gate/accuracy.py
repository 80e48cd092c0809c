"""The third comparison of the gate: average precision before and after."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from spotlet.manifest import NO_TILES
from spotlet.tiles import TileSettings
from spotlet_export.gate.report import Row
from spotlet_export.gate.variants import Limits
from spotlet_training.datasets import Dataset
from spotlet_training.evaluation.evaluation import Evaluation, evaluate_model, evaluate_network
from spotlet_training.network import Network


def network_accuracy(
    network: Network, dataset: Dataset, tiles: TileSettings = NO_TILES
) -> Evaluation | None:
    """Returns PyTorch's evaluation on a set; None if no object in it can be found.

    Args:
        network: on the CPU, in evaluation mode.
        dataset: labelled images, of the network's classes.
        tiles: how images are cut.
    """
    with ThreadPoolExecutor() as pool:
        evaluation = evaluate_network(network, dataset, pool, tiles)
    return None if evaluation.accuracy.ap is None else evaluation


def compare_accuracy(
    before: Evaluation, file: Path, dataset: Dataset, limits: Limits, variant: str
) -> tuple[Row, Evaluation]:
    """Returns the row for a file's AP against PyTorch's, and the file's evaluation.

    Args:
        before: PyTorch's, on the same set, with objects in it.
        file: `.onnx`, for the shipped runtime.
        dataset: labelled images.
        limits: the greatest loss.
        variant: its name, for the report.
    """
    after = evaluate_model(file, dataset)
    assert before.accuracy.ap is not None
    assert after.accuracy.ap is not None
    drop = before.accuracy.ap - after.accuracy.ap
    row = Row(
        variant=variant,
        name="AP, |Δ|" if limits.exact else "AP, drop",
        over=f"{len(dataset)} images, {before.accuracy.ap:.4f} before",
        measured=abs(drop) if limits.exact else drop,
        limit=limits.accuracy,
    )
    return row, after
