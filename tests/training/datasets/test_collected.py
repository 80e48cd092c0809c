"""A set that the runtime collected is a labelled set."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from live_frames import NAMES, found, live_frame

from spotlet.collecting import CollectSettings, CollectSink
from spotlet_training.datasets.discover import read_labels


def test_a_collected_set_is_read_as_coco_with_its_boxes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with CollectSink(CollectSettings(folder=tmp_path / "set"), NAMES) as sink:
        for number in range(3):
            image = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (192, 96))
            frame = replace(live_frame(number), image=np.asarray(image, np.uint8))
            sink.write(frame, found(*range(number)))
    name, content = read_labels(tmp_path / "set")
    assert name == "coco"
    assert content.class_names == NAMES
    assert not content.problems.found
    assert [len(each.class_ids) for each in content.train] == [0, 1, 2]
    assert content.train[1].boxes_xyxy.tolist() == [[20, 40, 60, 90]]
