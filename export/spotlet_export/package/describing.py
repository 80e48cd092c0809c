"""What a model file says about itself, from what its checkpoint knows."""

from dataclasses import replace
from importlib.metadata import version

from spotlet.errors import CheckpointError, ModelFileError
from spotlet.manifest import DetectionRule, InputRule, Manifest, OutputRule
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY
from spotlet_training.network import Localizer
from spotlet_training.network.checkpoint import Checkpoint


def make_manifest(checkpoint: Checkpoint, name: str) -> Manifest:
    """Returns the manifest of a checkpoint's export, before it was measured."""
    return Manifest(
        name=name,
        classes=checkpoint.class_names,
        input=InputRule(size_hw=checkpoint.network.settings.size_hw),
        detection=make_detection_rule(checkpoint),
        output=OutputRule(score_activation=checkpoint.network.score_activation),
        training=checkpoint.training,
        producer=f"spotlet {version('spotlet')}",
    )


def make_detection_rule(checkpoint: Checkpoint) -> DetectionRule:
    """Returns the default rule; a localizer gives one object a frame.

    The score threshold is the one that was best on the training's validation images, where the
    checkpoint has one.

    Raises:
        CheckpointError: it has one that is none.
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
            f"the checkpoint's {THRESHOLD_KEY} {threshold!r} must be a number from 0 to 1; train "
            "again, or take that line out of its record"
        ) from error
