import json
import sys
from pathlib import Path

import pytest
from benchmarks.peers.contender import ContenderError
from benchmarks.peers.environment import Environment
from benchmarks.peers.runners import Runner, Task, ultralytics_runner
from benchmarks.peers.side_report import Bout, as_json, as_markdown
from benchmarks.peers.steady import Steady, Take, Trial, count_objects, steady, take

PROGRAM = """
import sys, time
print("a library's advice")
for number in range(3):
    print(f"frame {number}: 2 objects", flush=True)
data = bytearray(50_000_000)
time.sleep(0.1)
sys.exit(int(sys.argv[1]))
"""


def a_take(seconds: float, cpu_seconds: float) -> Take:
    return Take(
        seconds=seconds, first_seconds=0.2, cpu_seconds=cpu_seconds, megabytes=80, others=0, found=4
    )


def a_steady(frames_per_second: float, megabytes: float = 80) -> Steady:
    return Steady(
        frames_per_second=frames_per_second,
        cpu_milliseconds=5,
        beyond_milliseconds=1,
        first_seconds=0.2,
        megabytes=megabytes,
        others=0,
        found=4,
    )


def a_runner(code: str = "0", first: str = "frame 0:") -> Runner:
    return Runner(
        name="program, 2 threads",
        graph=Path("model.onnx"),
        command=lambda clip: [sys.executable, "-c", PROGRAM, code],
        first=first,
        objects=r"frame \d+: (\d+) objects",
    )


def test_what_a_start_costs_is_not_in_the_steady_figures() -> None:
    figures = steady(a_take(1.5, 2.0), a_take(2.5, 3.0), 200, bare_milliseconds=4.0)
    assert figures.frames_per_second == pytest.approx(200)
    assert figures.cpu_milliseconds == pytest.approx(5)
    assert figures.beyond_milliseconds == pytest.approx(1)


def test_a_long_run_that_is_shorter_is_refused() -> None:
    with pytest.raises(ContenderError, match="more frames"):
        steady(a_take(1.5, 2.0), a_take(1.4, 2.0), 200, bare_milliseconds=4.0)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    # A machine that is twice as slow in one round changes no ratio.
    trial = Trial(
        {
            "a": [a_steady(30), a_steady(10), a_steady(21)],
            "b": [a_steady(10), a_steady(5), a_steady(7)],
        },
        {},
        {},
    )
    assert trial.median("a").frames_per_second == 21
    assert trial.ratio("a", "b", "frames_per_second") == 3


def test_a_program_is_measured_from_outside(tmp_path: Path) -> None:
    taken = take(a_runner(), Path("clip.mp4"), tmp_path)
    assert taken.found == 6
    assert 0 < taken.first_seconds < taken.seconds
    assert 50 < taken.megabytes < 120
    assert 0 < taken.cpu_seconds < taken.seconds + 1


@pytest.mark.parametrize("runner", [a_runner(code="3"), a_runner(first="no such line")])
def test_a_program_that_fails_or_finds_nothing_is_named(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(ContenderError, match="frame 2: 2 objects"):
        take(runner, Path("clip.mp4"), tmp_path)


def test_the_leading_tools_counts_are_read() -> None:
    task = Task(ours=Path("a"), theirs=Path("b"), side=384, score_threshold=0.2, iou_threshold=0.7)
    environment = Environment(folder=Path("venv"), versions={}, own_nms=False)
    runner = ultralytics_runner(environment, task, 2)
    said = (
        "video 1/1 (frame 1/30) /clips/2 short.mp4: 384x384 83 RBCs, 2 WBCs, 15.8ms\n"
        "video 1/1 (frame 2/30) /clips/2 short.mp4: 384x384 (no detections), 3.1ms\n"
    )
    assert count_objects(runner.objects, said) == 85
    words = [str(word) for word in runner.command(Path("clip.mp4"))]
    assert [Path(word).name for word in words[1:5]] == [
        "with_threads.py",
        "2",
        "with_nms.py",
        "yolo",
    ]


def test_the_table_names_what_failed_and_what_is_missing() -> None:
    trial = Trial(
        {"spotlet run": [a_steady(250)], "other": [a_steady(100)]},
        {"broken": "failed: no | such file"},
        {"models/model.onnx": [3.0, 2.0, 4.0]},
    )
    text = as_markdown([Bout("cells", "one network", "other", trial)], {"openvino": "no wheel"})
    assert "| spotlet run | 250 | 2.50 | 4.00 | +1.00 | 5.00 | 0.20 | 80 | 4 |" in text
    assert "| broken | failed: no / such file |" in text
    assert "models/model.onnx 3.00 ms" in text
    assert "- Not installed: openvino (no wheel)." in text


def test_the_record_keeps_every_round() -> None:
    trial = Trial({"spotlet run": [a_steady(250), a_steady(260)]}, {}, {"model.onnx": [3.0]})
    bout = Bout("cells", "one network", "spotlet run", trial)
    content = json.loads(as_json([bout], {"x": "y"}, {"threads": 2}, {"x": {"numpy": "2"}}))
    (record,) = content["bouts"]
    assert [each["frames_per_second"] for each in record["rounds"]["spotlet run"]] == [250, 260]
    assert record["medians"]["spotlet run"]["ratio"] == 1
    assert content["versions"]["peers"] == {"x": {"numpy": "2"}}
    assert content["machine"]["processors"] > 0
