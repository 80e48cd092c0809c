import base64
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure
from shapes import Shapes

from spotlet.detections import Detections
from spotlet.errors import InputError, OutputError
from spotlet.evaluation import Truth
from spotlet.letterbox import ImageArray
from spotlet_training.evaluation.curves import precision_curves
from spotlet_training.evaluation.evaluation import evaluate_detector
from spotlet_training.evaluation.latency import Latency
from spotlet_training.evaluation.matching import Judgement, Reason, judge
from spotlet_training.evaluation.measurement import Measurement
from spotlet_training.report import report_training, write_report
from spotlet_training.report.confusion import ConfusionMatrix, confusion_matrix
from spotlet_training.report.curves import MOST_IN_MATRIX, draw_confusion, draw_precision
from spotlet_training.report.history import EpochFigures, read_history
from spotlet_training.report.marks import COLOURS, best_and_worst, marks_of, place_label
from spotlet_training.report.page import make_page
from spotlet_training.report.pictures import CAPTION, GAP, draw_sheet
from spotlet_training.report.words import sentences

NAMES = ("cat", "dog")
LATENCY = Latency(median_ms=1.0, p95_ms=2.0, images=3, engine="a clock")


def _measured(
    pictures: Shapes, wrong: int = 0, training: dict[str, object] | None = None
) -> Measurement:
    """What a detector that knows the truth comes to, but for the class of the first objects."""

    samples = iter([pictures.load(index) for index in range(len(pictures))])
    left = iter(range(1000))

    def oracle(_frame: ImageArray) -> tuple[Detections, Detections]:
        sample = next(samples)
        ids = [1 - each if next(left) < wrong else each for each in sample.class_ids.tolist()]
        scores = np.full(len(ids), 0.9, np.float32)
        names = pictures.class_names
        found = Detections(sample.boxes_xyxy, scores, np.array(ids, np.int64), names)
        return found, found

    return Measurement(
        name="oracle",
        evaluation=evaluate_detector(oracle, pictures),
        latency=LATENCY,
        training=training or {},
        own_threshold=None,
    )


def _matrix(counts: list[list[int]], names: tuple[str, ...] = NAMES) -> ConfusionMatrix:
    return ConfusionMatrix(names, np.array(counts, np.int64))


def _pixels(figure: Figure) -> npt.NDArray[np.int64]:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    bgr = cv2.imdecode(np.frombuffer(stream.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return bgr[..., ::-1].astype(np.int64)


def test_the_confusion_matrix_counts_objects_in_rows_and_boxes_in_columns() -> None:
    places = np.array([[n * 100, 0, n * 100 + 50, 50] for n in range(6)], np.float32)
    # Objects: found, taken for a dog, missed, badly boxed. Boxes besides: twice, false.
    truth = Truth(places[:4], np.array([0, 0, 1, 1]), np.zeros(4, np.bool_))
    bad = places[3] + np.array([30, 0, 30, 0], np.float32)  # IoU 0.25
    found = Detections(
        np.stack([places[0], places[0], places[1], bad, places[5]]),
        np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32),
        np.array([0, 0, 1, 1, 0]),
        NAMES,
    )
    matrix = confusion_matrix([(truth, found, judge(truth, found))], NAMES)
    assert matrix.counts.tolist() == [[1, 1, 0], [0, 0, 2], [2, 1, 0]]
    assert matrix.objects.tolist() == [2, 2]
    assert matrix.right.tolist() == [1, 0]
    assert matrix.taken_for_another.tolist() == [1, 0]
    assert matrix.missed.tolist() == [0, 2]
    assert matrix.false.tolist() == [2, 1]
    assert [(each.truth, each.found, each.count) for each in matrix.confusions()] == [
        ("cat", "dog", 1)
    ]


def test_the_words_say_what_is_confused_missed_and_drawn_too_often() -> None:
    matrix = _matrix([[10, 9, 1], [0, 20, 5], [0, 30, 0]])
    lines = sentences(_measured(Shapes(3)), matrix)
    text = " ".join(lines)
    assert "it finds 30 of 45 objects (67 %)" in text
    assert "30 of its 69 boxes are right (43 %)" in text
    assert "Most often confused: cat with dog (9 of 20)." in text
    assert "bad box: dog (5 of 25 objects)." in text  # 1 of 20 cats is not worth a word
    assert "no such object: dog (30 of 59 boxes)." in text
    assert "Too few" not in text


def test_the_words_warn_of_few_objects_and_praise_no_confusion() -> None:
    text = " ".join(sentences(_measured(Shapes(3)), _matrix([[19, 0, 0], [0, 20, 0], [0, 0, 0]])))
    assert "Too few objects to trust the figures of cat (19):" in text
    assert "No object is confused with another class." in text
    alone = " ".join(sentences(_measured(Shapes(3)), _matrix([[30, 0], [0, 0]], ("cat",))))
    assert "another class" not in alone


@pytest.mark.parametrize(("epoch", "told"), [(30, True), (29, True), (20, False)])
def test_a_best_epoch_at_the_end_asks_for_more(epoch: int, told: bool) -> None:
    history = [
        EpochFigures(number=n, loss=1, scores_loss=1, boxes_loss=1, ap=0, ap50=0)
        for n in range(1, 31)
    ]
    measured = _measured(Shapes(3), training={"epoch": epoch})
    lines = sentences(measured, _matrix([[1, 0, 0], [0, 1, 0], [0, 0, 0]]), history)
    assert any("--epochs" in line for line in lines) == told


def test_the_worst_pictures_have_most_mistakes_and_the_best_none() -> None:
    def judged(found: int, false: int, missed: int) -> Judgement:
        reasons = (Reason.FOUND,) * found + (Reason.FALSE,) * false
        count = len(reasons)
        return Judgement(
            reasons, np.full(count, -1), np.zeros(count), np.arange(found + missed) >= found
        )

    frames = [judged(1, 0, 0), judged(5, 2, 1), judged(0, 0, 0), judged(3, 0, 0), judged(0, 0, 1)]
    assert best_and_worst(frames, 6) == ([3, 0], [1, 4])
    assert best_and_worst(frames, 1) == ([3], [1])


def test_labels_touch_neither_each_other_nor_the_border() -> None:
    rng = np.random.default_rng(0)
    limits = (10.0, 20.0, 310.0, 220.0)
    taken: list[tuple[float, float, float, float]] = []
    for _ in range(200):
        x, y = rng.uniform(0, 300), rng.uniform(0, 200)
        box = (x, y, x + rng.uniform(1, 80), y + rng.uniform(1, 80))
        spot = place_label(box, (40, 12), limits, taken)
        if spot is None:
            continue
        assert limits[0] <= spot[0] < spot[2] <= limits[2]
        assert limits[1] <= spot[1] < spot[3] <= limits[3]
        for other in taken:
            apart_x = spot[2] <= other[0] or other[2] <= spot[0]
            assert apart_x or spot[3] <= other[1] or other[3] <= spot[1]
        taken.append(spot)
    assert len(taken) > 30


def test_a_label_that_fits_nowhere_is_left_out() -> None:
    assert place_label((0, 0, 10, 10), (40, 12), (0, 0, 30, 30), []) is None


def test_a_mark_says_what_is_wrong() -> None:
    place = np.array([[0, 0, 50, 50], [200, 0, 250, 50]], np.float32)
    truth = Truth(place, np.array([0, 1]), np.zeros(2, np.bool_))
    found = Detections(place[:1], np.array([0.75], np.float32), np.array([1]), NAMES)
    marks = marks_of(truth, found, judge(truth, found))
    assert [(mark.label, mark.truth) for mark in marks] == [
        ("", True),
        ("dog 0.75, is cat", False),
        ("missed: dog", True),
    ]


def test_boxes_are_drawn_on_the_edges_of_what_they_mark() -> None:
    """A false box around a black square on white: the line runs along the square's border."""
    image = np.full((240, 480, 3), 255, np.uint8)
    image[60:180, 100:300] = 0
    sample = replace(
        Shapes(1).load(0),
        image_bgr=image,
        boxes_xyxy=np.zeros((0, 4), np.float32),
        class_ids=np.zeros(0, np.int64),
        ignored=np.zeros(0, np.bool_),
    )

    class One:
        class_names = NAMES

        def __len__(self) -> int:
            return 1

        def load(self, _index: int) -> object:
            return sample

    truth = Truth(sample.boxes_xyxy, sample.class_ids, sample.ignored)
    box = np.array([[100, 60, 300, 180]], np.float32)
    found = Detections(box, np.array([0.9], np.float32), np.array([0]), NAMES)
    figure = draw_sheet(One(), [0], [(truth, found, judge(truth, found))])  # type: ignore[arg-type]
    pixels = _pixels(figure)
    wanted = [int(COLOURS[Reason.FALSE][n : n + 2], 16) for n in (1, 3, 5)]
    top, left = CAPTION, GAP
    # The cell is at least 0.6 times as high as wide, the picture half: it is drawn at scale 1.
    row, column = pixels[top + 120], pixels[:, left + 200]
    for line, edges in ((row, (left + 100, left + 300)), (column, (top + 60, top + 180))):
        red = np.flatnonzero(np.abs(line - wanted).sum(axis=1) < 60)
        for edge in edges:
            near = red[np.abs(red - edge) < 10]
            assert len(near)
            assert abs(near.mean() + 0.5 - edge) <= 0.5


@pytest.mark.parametrize("count", [1, 6, 40, 55])
def test_diagrams_take_any_number_of_classes_with_any_names(count: int) -> None:
    names = ("_hidden$x^2$", "a name that is far too long for any diagram", *map(str, range(count)))
    names = names[:count]
    box = np.array([[0, 0, 9, 9]], np.float32)
    truths = [Truth(box, np.array([n]), np.zeros(1, np.bool_)) for n in range(count)]
    found = [Detections(box, np.ones(1, np.float32), np.array([n]), names) for n in range(count)]
    curves = draw_precision(precision_curves(truths, found, names))
    texts = [text.get_text() for text in curves.legends[0].get_texts()]
    assert any(text.startswith("_hidden$x^2$") for text in texts)
    frames = [(truth, each, judge(truth, each)) for truth, each in zip(truths, found, strict=True)]
    matrix = draw_confusion(confusion_matrix(frames, names))
    shown = [label.get_text() for label in matrix.axes[0].get_yticklabels()]
    assert len(shown) == min(count, MOST_IN_MATRIX) + 1
    assert all(len(label) <= 24 for label in shown)
    for figure in (curves, matrix):
        assert _pixels(figure).std() > 1


class _Checker(HTMLParser):
    """Collects what a page refers to, and finds tags that are not closed in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_no_file_beside_it_and_no_network(tmp_path: Path) -> None:
    pictures = Shapes(8)
    page = write_report(_measured(pictures, wrong=4), pictures, tmp_path / "report")
    text = page.read_text("utf-8")
    checker = _Checker()
    checker.feed(text)
    assert checker.open == []
    assert len(checker.references) == 5
    assert all(each.startswith("data:image/") for each in checker.references)
    assert "http" not in text
    for reference in checker.references:
        content = np.frombuffer(base64.b64decode(reference.partition(",")[2]), np.uint8)
        assert cv2.imdecode(content, cv2.IMREAD_COLOR) is not None
    assert {path.name for path in page.parent.iterdir()} == {
        "report.html", "precision.png", "threshold.png", "confusion.png", "best.jpg", "worst.jpg",
    }  # fmt: skip
    assert "Most often confused: " in text


def test_without_photographs_the_marks_stay_and_the_images_go(tmp_path: Path) -> None:
    """The squares of `Shapes` are filled with blue; a blank picture has grey there."""
    pictures = Shapes(4)
    measured = _measured(pictures, wrong=4)
    most = {}
    for photographs in (True, False):
        folder = tmp_path / str(photographs)
        write_report(measured, pictures, folder, photographs=photographs)
        sheet = cv2.imread(str(folder / "worst.jpg"))
        assert sheet is not None
        colours, counts = np.unique(sheet.reshape(-1, 3) // 32, axis=0, return_counts=True)
        most[photographs] = dict(zip(map(tuple, colours.tolist()), counts.tolist(), strict=True))
    blue, grey = (230 // 32, 40 // 32, 30 // 32), (200 // 32,) * 3
    assert most[True].get(blue, 0) > 1000
    assert most[False].get(blue, 0) < 50
    assert most[False][grey] > 100_000 > most[True].get(grey, 0)


def test_names_cannot_break_the_page() -> None:
    evil = "<script>alert(1)</script>"
    pictures = Shapes(2, class_names=(evil, "a & b"))
    measured = _measured(pictures, training={"data": evil, "settings": {"note": evil}})
    matrix = _matrix([[1, 1, 0], [0, 1, 0], [0, 0, 0]], pictures.class_names)
    page = make_page(measured, matrix, sentences(measured, matrix), {})
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page


def test_a_report_without_a_mistake_or_without_anything_found_is_written(tmp_path: Path) -> None:
    pictures = Shapes(2)
    text = write_report(_measured(pictures), pictures, tmp_path / "best").read_text("utf-8")
    assert "There are no mistakes." in text

    def blind(_frame: ImageArray) -> tuple[Detections, Detections]:
        return (Detections.none(pictures.class_names),) * 2

    nothing = replace(
        _measured(pictures), evaluation=evaluate_detector(blind, pictures), own_threshold=0.3
    )
    assert nothing.score_threshold == 0.3
    text = write_report(nothing, pictures, tmp_path / "worst").read_text("utf-8")
    assert "Every image has a mistake." in text


def test_letters_that_the_font_lacks_disturb_nobody(tmp_path: Path) -> None:
    pictures = Shapes(2, class_names=("正方形", "円"))
    page = write_report(_measured(pictures, wrong=1), pictures, tmp_path / "report")
    assert "正方形" in page.read_text("utf-8")


def test_a_report_replaces_a_report_and_nothing_else(tmp_path: Path) -> None:
    pictures, measured = Shapes(2), _measured(Shapes(2))
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.txt").write_text("years")
    with pytest.raises(OutputError, match="would be lost"):
        write_report(measured, pictures, tmp_path / "report")
    for _ in range(2):
        write_report(measured, pictures, tmp_path / "other")


def test_the_report_of_a_training_shows_its_curves(shapes_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "best.safetensors"
    checkpoint.write_bytes(shapes_checkpoint.read_bytes())
    history = shapes_checkpoint.with_name("history.csv").read_text()
    (tmp_path / "history.csv").write_text(history)
    line = report_training(checkpoint, Shapes(4))
    assert line == f"report: {tmp_path / 'report' / 'report.html'}"
    assert (tmp_path / "report" / "history.png").is_file()
    assert "learning rate" in (tmp_path / "report" / "report.html").read_text("utf-8")
    # The epochs of another training are none of its own.
    (tmp_path / "history.csv").write_text(re.sub(r"0\.\d+", "0.123", history))
    report_training(checkpoint, Shapes(4))
    assert not (tmp_path / "report" / "history.png").exists()


def test_a_report_that_fails_is_one_line_and_harms_nothing(
    shapes_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "best.safetensors"
    checkpoint.write_bytes(shapes_checkpoint.read_bytes())
    (tmp_path / "report").write_text("a file is in the way")
    line = report_training(checkpoint, Shapes(2))
    assert line.startswith("no report (")
    assert "is not a folder" in line
    assert "\n" not in line
    assert checkpoint.read_bytes() == shapes_checkpoint.read_bytes()


def test_the_missing_matplotlib_is_named_with_its_pip_install(shapes_checkpoint: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path\n"
        "from shapes import Shapes\n"
        "from spotlet_training.report import report_training\n"
        f"print(report_training(Path({str(shapes_checkpoint)!r}), Shapes(2)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert 'no report (a report needs matplotlib: pip install "spotlet[training]")' in done.stdout


def test_a_history_that_is_none_is_refused(tmp_path: Path) -> None:
    assert read_history(tmp_path / "history.csv") == []
    for content in (
        "epoch,loss\n1,2\n",
        "epoch,loss,scores_loss,boxes_loss,ap,ap50\n1,x,1,1,1,1\n",
    ):
        (tmp_path / "history.csv").write_text(content)
        with pytest.raises(InputError, match="not the history of a training"):
            read_history(tmp_path / "history.csv")
