"""The model card: what a stranger must know before using a package."""

from spotlet.manifest import Manifest
from spotlet_export.report import Report
from spotlet_training.operating_point import THRESHOLD_KEY

NO_NOTES = """Sources and licence of the training data: not given. `spotlet export --notes FILE`
puts what that file says here; do so before you pass the model on."""


def model_card(manifest: Manifest, report: Report, model_bytes: int, notes: str = "") -> str:
    """Returns the card as Markdown: what was measured, and the author's notes.

    Args:
        manifest: of the model.
        report: of the gate.
        model_bytes: size of the ONNX file.
        notes: Markdown about data, licence, purpose; may be empty.
    """
    height, width = manifest.input.size_hw
    training = manifest.training
    facts = [
        f"- Classes: {', '.join(manifest.classes)}",
        f"- Input: {width}x{height} uint8 BGR, letterboxed "
        f"({manifest.input.interpolation}, border {manifest.input.pad_value})",
        f"- File: {model_bytes / 1e6:.2f} MB, written by {manifest.producer}",
    ]
    if "train_images" in training:
        chosen = "val_ap" in training  # else the last epoch's weights were kept
        facts.append(
            f"- Trained on {training['train_images']} images"
            f"{' of ' + training['data'] if training.get('data') else ''}, "
            + (f"epoch {training['epoch']} of " if chosen else "")
            + f"{training['settings']['epochs']} {'kept' if chosen else 'epochs'}"
        )
    if "val_ap" in training:
        facts.append(
            f"- Validation ({training['val_images']} images, which also chose the epoch): "
            f"AP50 {training['val_ap50']:.3f}, AP {training['val_ap']:.3f}"
        )
    if training.get(THRESHOLD_KEY) is not None:
        facts.append(
            f"- Score threshold: {manifest.detection.score_threshold:.2f} unless another is asked "
            "for, the best (F1) on those validation images"
        )
    if "val_iou" in training:
        facts.append(
            f"- One object an image. Validation ({training['val_images']} images): accuracy "
            f"{training['val_accuracy']:.3f}, mean IoU {training['val_iou']:.3f}"
        )
    return "\n".join(
        [
            f"# {manifest.name}",
            "",
            *facts,
            "",
            "## The export is the same network",
            "",
            "PyTorch (eager, float32) against onnxruntime and the shipped runtime:",
            "",
            "```",
            report.table(),
            "```",
            "",
            "## Use",
            "",
            "```python",
            "from spotlet import Detector",
            "",
            f'detector = Detector("{manifest.name}")  # or the path of this folder',
            "detections = detector(frame_bgr)",
            "```",
            "",
            notes.strip() or NO_NOTES,
            "",
        ]
    )
