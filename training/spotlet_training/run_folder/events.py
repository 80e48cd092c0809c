"""Curves of a training for TensorBoard.

tensorboardX writes the format with numpy and protobuf alone, which are installed anyway; the
package `tensorboard` would install a web server on every machine that trains. This uses
tensorboardX's file writer, not `SummaryWriter`, whose thread may still hold points when a process
is killed.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from spotlet.lifetime import Closing
from spotlet_training.learning.epochs import Epoch, Step

EVENTS = "events"
"""The folder in the output folder that `tensorboard --logdir` takes."""

EVERY_STEPS = 10
"""Steps from one point of a curve to the next."""


class EventLog(Closing):
    """An event file: losses and the learning rate by step, losses and AP at the end of each epoch.

    All curves count steps of the whole training, so that points written after the last whole epoch
    of a killed process can be told apart from those of the resumed one.
    """

    def __init__(self, folder: Path, done_steps: int = 0) -> None:
        """Opens a new file in a folder.

        Args:
            folder: created if missing.
            done_steps: of the training that is resumed; TensorBoard drops later points. 0 starts a
                new training and removes older event files.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if not done_steps:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink(missing_ok=True)
        self._writer = EventsWriter(str(folder / "events"), f".{done_steps}")
        if done_steps:
            start = SessionLog(status=SessionLog.START)
            self._writer.write_event(
                Event(wall_time=time.time(), step=done_steps + 1, session_log=start)
            )

    def step(self, step: Step, learning_rate: float) -> None:
        """Writes a point every `EVERY_STEPS` steps."""
        number = (step.epoch - 1) * step.steps + step.step
        if number % EVERY_STEPS == 0:
            self._write(number, {"step/loss": step.loss, "step/learning_rate": learning_rate})

    def epoch(self, epoch: Epoch, steps: int) -> None:
        """Writes an epoch's points and flushes; `steps` is the number in an epoch."""
        points = {
            f"train/{name}": getattr(epoch, name)
            for name in ("loss", "scores_loss", "boxes_loss", "learning_rate")
        }
        points |= {f"val/{name}": getattr(epoch, name) for name in ("ap", "ap50", "ap75")}
        self._write(epoch.number * steps, points)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file; every point is on disk."""
        self._writer.close()

    def _write(self, step: int, points: Mapping[str, float]) -> None:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in points.items()]
        self._writer.write_event(
            Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        )
