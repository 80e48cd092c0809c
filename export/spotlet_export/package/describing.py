"""Makes the manifest of an export from its checkpoint."""

from dataclasses import replace
from importlib.metadata import version

from spotlet.errors import CheckpointError, ModelFileError
from spotlet.manifest import DetectionRule, InputRule, Manifest, OutputRule
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY
from spotlet_training.network import Localizer
from spotlet_training.network.checkpoint import Checkpoint


def make_manifest(checkpoint: Checkpoint, name: str) -> Manifest:
    """Returns the manifest of a checkpoint's export, before it is measured."""
    return Manifest(
        name=name,
        classes=checkpoint.class_names,
        input=InputRule(size_hw=checkpoint.network.settings.size_hw),
        detection=make_detection_rule(checkpoint),
        output=OutputRule(score_activation=checkpoint.network.score_activation),
        tiles=checkpoint.tiles,
        training=checkpoint.training,
        producer=f"spotlet {version('spotlet')}",
    )


def make_detection_rule(checkpoint: Checkpoint) -> DetectionRule:
    """Returns the default rule; a localizer finds one object per frame.

    The score threshold is the best one on the training's validation images, if the checkpoint has
    it.

    Raises:
        CheckpointError: its threshold is not valid.
    """
    rule = DetectionRule()
    if isinstance(checkpoint.network, Localizer):
        rule = replace(rule, max_detections=1)
    threshold = checkpoint.training.get(THRESHOLD_KEY)
    if threshold is None:
        return rule
    try:
        return replace(rule, score_threshold=threshold)
    except ModelFileError as error:
        raise CheckpointError(
            f"the checkpoint's {THRESHOLD_KEY} {threshold!r}: must be a number from 0 to 1; train "
            "again, or remove it from the checkpoint's record"
        ) from error
