import json
from pathlib import Path

import pytest

from spotlet.cli import main


def test_evaluate_prints_figures_by_class_and_size_threshold_and_latency(
    shapes_checkpoint: Path, shapes_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(shapes_checkpoint), str(shapes_folder), "--split", "train"]
    assert main([*words, "--iou", "0.33", "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    for part in (
        "class   objects  AP50",
        "AP at IoU 0.33",
        "small, below 32 x 32",
        "AP75 ",
        "best score threshold 0.",
        "ms an image in the median",
        "1 thread)",
    ):
        assert part in printed


def test_evaluate_gives_the_same_as_json(
    shapes_checkpoint: Path,
    shapes_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["evaluate", str(shapes_checkpoint), str(shapes_folder), "--split", "train", "--json"]
    assert main([*words, "--iou", "0.5", "--plots", str(tmp_path / "plots")]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["ap_iou"] == pytest.approx(figures["ap50"])
    assert figures["per_class_ap_iou"] == pytest.approx(figures["per_class_ap50"])
    counts = [figures[f"objects_{size}"] for size in ("small", "medium", "large")]
    assert sum(counts) == sum(figures["per_class_objects"].values()) > 0
    assert figures["operating_point"]["f1"] > 0.2
    assert 0 < figures["latency"]["median_ms"] <= figures["latency"]["p95_ms"]
    assert Path(figures["report"]).is_file()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--iou", "1.5"], "--iou 1.5: must be over 0"),
        (["--iou", "nan"], "--iou nan: must be over 0"),
        (["--threads", "-2"], "threads -2"),
    ],
)
def test_options_out_of_range_are_one_clear_line(
    options: list[str],
    told: str,
    shapes_checkpoint: Path,
    shapes_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", str(shapes_checkpoint), str(shapes_folder), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert told in error
    assert len(error.splitlines()) == 1


def test_a_place_for_the_report_that_is_taken_is_refused_before_the_work(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years")
    words = ["evaluate", "no-such.safetensors", str(shapes_folder), "--plots", str(tmp_path)]
    assert main(words) == 4
    assert "would be lost" in capsys.readouterr().err
