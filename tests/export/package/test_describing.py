from dataclasses import replace

import pytest

from spotlet.errors import CheckpointError
from spotlet.manifest import DetectionRule
from spotlet_export.package.describing import make_detection_rule, make_manifest
from spotlet_training.evaluation.operating_point import THRESHOLD_KEY, THRESHOLDS
from spotlet_training.network.checkpoint import Checkpoint


def test_the_best_threshold_of_the_training_becomes_the_models_default(
    checkpoint: Checkpoint,
) -> None:
    trained = checkpoint.training[THRESHOLD_KEY]
    assert THRESHOLDS[0] <= trained <= THRESHOLDS[-1]
    manifest = make_manifest(checkpoint, "shapes")
    assert manifest.detection == replace(DetectionRule(), score_threshold=trained)


def test_a_checkpoint_without_a_threshold_gets_the_general_one(checkpoint: Checkpoint) -> None:
    for training in ({}, {THRESHOLD_KEY: None}):
        older = replace(checkpoint, training=training)
        assert make_detection_rule(older) == DetectionRule()


@pytest.mark.parametrize("threshold", ["high", 1.5, True])
def test_a_threshold_that_is_none_is_refused(checkpoint: Checkpoint, threshold: object) -> None:
    with pytest.raises(CheckpointError, match="must be a number from 0 to 1"):
        make_detection_rule(replace(checkpoint, training={THRESHOLD_KEY: threshold}))
