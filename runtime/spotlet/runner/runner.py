"""The detections of a program that computes any network, spoken to over pipes."""

from types import TracebackType

import numpy as np

from spotlet.detections import Detections
from spotlet.errors import UsageError
from spotlet.letterbox import FrameArray, require_frame
from spotlet.lifetime import Closing
from spotlet.manifest import DetectionRule
from spotlet.postprocess import MAX_CANDIDATES, cells_from_detections, detections_from_outputs
from spotlet.runner.messages import picture_parts, read_answer, read_hello
from spotlet.runner.program import Program
from spotlet.text.plain import plain_line

NOT_SUPPRESSED = 1.0
"""An IoU threshold over which no overlap lies: the program has suppressed."""

RULES = "docs/runners.md has the protocol"


class Runner(Closing):
    """Detects objects in frames of any size by a program of any kind; for one thread at a time.

    After any error the program has ended, with all that it started.

    Attributes:
        name: the program's, for records.
        class_names: its classes; the index is the class id.
        score_threshold: its own operating point, in [0, 1].
    """

    def __init__(
        self, command: str, *, start_seconds: float = 60.0, answer_seconds: float = 60.0
    ) -> None:
        """Starts the program and reads its hello.

        Args:
            command: the program and its arguments, quoted as for a shell, which is not used.
            start_seconds: until its hello.
            answer_seconds: for each picture.

        Raises:
            UsageError: the command cannot be split, or a time is not over 0.
            RunnerError: the program cannot be started or does not say hello as it must.
        """
        if not (start_seconds > 0 and answer_seconds > 0):
            raise UsageError(
                f"runner's times {start_seconds:g} s and {answer_seconds:g} s: must be over 0"
            )
        self._answer_seconds = answer_seconds
        self._sent = 0
        self._program = Program(command)
        line = self._program.exchange((), start_seconds, "hello")
        try:
            self._hello = read_hello(line)
        except ValueError as error:
            raise self._program.fault(
                f"wrote a first line that {plain_line(str(error))}; its hello must come first, "
                "and everything else goes to standard error"
            ) from error
        self.name = self._hello.name or command
        self.class_names = self._hello.classes
        self.score_threshold = float(self._hello.score_threshold)

    def find(self, frame_bgr: FrameArray | None, score_threshold: float) -> Detections:
        """Returns the objects that the program finds in a frame.

        Args:
            frame_bgr: (H, W, 3) uint8 BGR, any size.
            score_threshold: the least score kept, in [0, 1].

        Returns:
            Boxes in pixels of this frame, clipped to it; best score first.

        Raises:
            UsageError: the array is not such a frame, or the threshold is out of range.
            RunnerError: the program ended, hung, reported an error or answered nonsense.
        """
        frame = require_frame(frame_bgr)
        iou = self._hello.iou_threshold or NOT_SUPPRESSED
        if not 0 <= score_threshold <= 1:
            raise UsageError(f"score threshold {score_threshold}: must be from 0 to 1")
        rule = DetectionRule(score_threshold=score_threshold, iou_threshold=iou)
        letterbox = self._hello.letterbox((frame.shape[0], frame.shape[1]))
        picture = frame if self._hello.canvas is None else letterbox.apply(frame)
        if self._hello.canvas is not None and self._hello.canvas.colour == "rgb":
            picture = picture[..., ::-1]
        self._sent += 1
        parts = picture_parts(self._sent, picture, score_threshold)
        awaited = f"answer to picture {self._sent}"
        line = self._program.exchange(parts, self._answer_seconds, awaited)
        try:
            boxes, scores, class_ids = read_answer(
                line, self._sent, letterbox.canvas_hw, len(self.class_names)
            )
        except ValueError as error:
            why = plain_line(str(error))
            raise self._program.fault(f"wrote an {awaited} that {why}; {RULES}") from error
        best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
        count = np.array([len(best)])
        cells = cells_from_detections(
            scores[best][None], class_ids[best][None], count, len(self.class_names)
        )
        return detections_from_outputs(boxes[best], cells[0], letterbox, self.class_names, rule)

    def close(self) -> None:
        """Closes the program's input and waits for its end; kills it if that takes long."""
        self._program.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:  # an interrupt does not wait for a picture to be computed
            self._program.kill()
        self.close()
