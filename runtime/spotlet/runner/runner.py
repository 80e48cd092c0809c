"""The detections of a program that computes any network, spoken to over pipes."""

from types import TracebackType

import numpy as np
import numpy.typing as npt

from spotlet.boxes import FloatArray
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
        hello: all that the program said of itself: classes, canvas, thresholds.
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
            self.hello = read_hello(line)
        except ValueError as error:
            raise self._program.fault(
                f"wrote a first line that {plain_line(str(error))}; its hello must come first, "
                "and everything else goes to standard error"
            ) from error
        self.name = self.hello.name or command
        self.class_names = self.hello.classes
        self.score_threshold = float(self.hello.score_threshold)

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
        letterbox = self.hello.letterbox((frame.shape[0], frame.shape[1]))
        picture = frame if self.hello.canvas is None else letterbox.apply(frame)
        boxes, scores, class_ids = self.answer(picture, score_threshold)
        iou = self.hello.iou_threshold or NOT_SUPPRESSED
        rule = DetectionRule(score_threshold=score_threshold, iou_threshold=iou)
        best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
        count = np.array([len(best)])
        cells = cells_from_detections(
            scores[best][None], class_ids[best][None], count, len(self.class_names)
        )
        return detections_from_outputs(boxes[best], cells[0], letterbox, self.class_names, rule)

    def answer(
        self, picture_bgr: FrameArray | None, score_threshold: float
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
        """Returns what the program answers to a picture, before Spotlet suppresses anything.

        Args:
            picture_bgr: (H, W, 3) uint8 BGR, already of the size in the program's hello; its order
                of colours is seen to here. Any size if the program takes frames.
            score_threshold: what the program may leave out, in [0, 1]; what it sends below it
                is returned.

        Returns:
            boxes: (N, 4) float32 xyxy, in [0, 1] of the picture, clipped to it; in the program's
                order.
            scores: (N,) float32 in [0, 1].
            class_ids: (N,) int64.

        Raises:
            UsageError: the array is not such a picture, or the threshold is out of range.
            RunnerError: the program ended, hung, reported an error or answered nonsense.
        """
        picture = require_frame(picture_bgr)
        canvas = self.hello.canvas
        size_hw = picture.shape[0], picture.shape[1]
        if canvas is not None and size_hw != (canvas.height, canvas.width):
            raise UsageError(
                f"picture of {size_hw[0]}x{size_hw[1]}: this runner takes {canvas.height}x"
                f"{canvas.width}; letterbox the frame first"
            )
        if not 0 <= score_threshold <= 1:
            raise UsageError(f"score threshold {score_threshold}: must be from 0 to 1")
        if canvas is not None and canvas.colour == "rgb":
            picture = picture[..., ::-1]
        self._sent += 1
        parts = picture_parts(self._sent, picture, score_threshold)
        awaited = f"answer to picture {self._sent}"
        line = self._program.exchange(parts, self._answer_seconds, awaited)
        try:
            return read_answer(line, self._sent, size_hw, len(self.class_names))
        except ValueError as error:
            why = plain_line(str(error))
            raise self._program.fault(f"wrote an {awaited} that {why}; {RULES}") from error

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
