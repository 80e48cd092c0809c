import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from shapes import Shapes
from tensorboardX.proto.event_pb2 import Event, SessionLog

from spotlet_training.learning.epochs import Step
from spotlet_training.learning.settings import TrainingSettings
from spotlet_training.run_folder.events import EVENTS, EventLog
from spotlet_training.training import train

SETTINGS = TrainingSettings(epochs=3, size_hw=(64, 64), batch_size=4, device="cpu")


class Killed(BaseException):
    """Ends a training where a signal could."""


def events(folder: Path) -> Iterator[Event]:
    """Reads event files: records of a length, its checksum, the event, its checksum."""
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda each: each.stat().st_mtime):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            yield Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def curve(folder: Path, tag: str) -> dict[int, float]:
    """A curve as TensorBoard shows it: what a session voids is gone."""
    points: dict[int, float] = {}
    for event in events(folder):
        if event.session_log.status == SessionLog.START:
            points = {step: value for step, value in points.items() if step < event.step}
        for value in event.summary.value:
            if value.tag == tag:
                assert event.step not in points
                points[event.step] = value.simple_value
    return points


def test_a_training_leaves_curves_of_its_epochs(shapes: Shapes, tmp_path: Path) -> None:
    epochs = train(shapes, shapes, SETTINGS, tmp_path)
    for tag, name in (("train/loss", "loss"), ("val/ap50", "ap50"), ("val/ap75", "ap75")):
        figures = {4 * epoch.number: getattr(epoch, name) for epoch in epochs}
        assert curve(tmp_path / EVENTS, tag) == pytest.approx(figures)
    assert list(curve(tmp_path / EVENTS, "step/loss")) == [10]
    assert list(curve(tmp_path / EVENTS, "step/learning_rate")) == [10]


def test_curves_of_a_resumed_training_hold_each_point_once(shapes: Shapes, tmp_path: Path) -> None:
    def kill(step: Step) -> None:
        if (step.epoch, step.step) == (3, 3):  # behind the point of step 10
            raise Killed

    with pytest.raises(Killed):
        train(shapes, shapes, SETTINGS, tmp_path, on_step=kill)
    assert list(curve(tmp_path / EVENTS, "step/loss")) == [10]
    epochs = train(shapes, shapes, SETTINGS, tmp_path, resume=True)
    losses = {4 * epoch.number: epoch.loss for epoch in epochs}
    assert curve(tmp_path / EVENTS, "train/loss") == pytest.approx(losses)
    assert list(curve(tmp_path / EVENTS, "step/loss")) == [10]
    assert len(list((tmp_path / EVENTS).iterdir())) == 2


def test_a_new_log_removes_an_older_one(tmp_path: Path) -> None:
    for number in range(2):
        with EventLog(tmp_path) as log:
            log.step(Step(epoch=1, step=10, steps=20, loss=0.5), 1e-3)
        assert curve(tmp_path, "step/loss") == {10: 0.5}
        for path in tmp_path.iterdir():  # as if it had been written in another second
            path.rename(tmp_path / f"events.out.tfevents.{number}")
