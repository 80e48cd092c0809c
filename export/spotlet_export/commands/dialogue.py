"""What `spotlet adopt` prints while it runs, and asks."""

from spotlet.text.terminal import Progress, table, write_notice
from spotlet_export.adoption import Preview, Proposal

MOST_LISTED = 20
"""Detections of one image that are printed."""


def agreed_to(proposal: Proposal, preview: Preview, line: str, *, ask: bool) -> bool:
    """Prints a proposal; returns whether the user agrees to it."""
    for doubt in proposal.doubts:
        print(doubt)
    print(proposal)
    _print_detections(preview)
    print(f"drawn in {preview.picture}\nto adopt it so:\n{line}")
    return ask and _answer("Adopt it with these options?")


def confirmed(preview: Preview, *, ask: bool) -> bool:
    """Prints what was found; returns whether the user confirms the boxes."""
    _print_detections(preview)
    if not ask:
        return True
    print(f"drawn in {preview.picture}")
    return _answer("Are these the boxes?")


def _answer(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _print_detections(preview: Preview) -> None:
    for name, found in preview.detections.items():
        rows = [
            (each.name, f"{each.score:.3g}", ", ".join(f"{side:.0f}" for side in each.box_xyxy))
            for each in list(found)[:MOST_LISTED]
        ]
        print(f"{name}: {len(found)} found" + (" (the best of them)" * (len(found) > MOST_LISTED)))
        if rows:
            print(table(rows, header=("class", "score", "box, pixels of the image")))


class Steps:
    """Prints which step runs; with a bar, or a line now and then, how far it is."""

    def __init__(self, unit: str = "frames") -> None:
        self._text = ""
        self._unit = unit
        self._done = 0
        self._progress: Progress | None = None

    def start(self, text: str) -> None:
        """Prints the step that starts."""
        self._end()
        self._text = text
        write_notice(f"{text} …\n")

    def advance(self, done: int, total: int) -> None:
        """Reports how many frames of the step are done, and of how many."""
        if done < self._done:  # once more from the start
            self._end()
        if self._progress is None:
            self._progress = Progress(f"{self._text} …", total=total, unit=self._unit)
        self._progress.advance(done - self._done)
        self._done = done
        if done == total:
            self._end()

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.close()
        self._progress, self._done = None, 0
