"""A new package into a running service: proven first, then swapped in between two frames."""

import errno
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from live_frames import live_frame
from patience import wait_until
from swap_packages import damage, frame_with_red, write_package

from spotlet.detector import Detector
from spotlet.errors import ModelFileError
from spotlet.events import ModelEvent
from spotlet.model.package import locate_model
from spotlet.pipeline import Workers
from spotlet.running import RunSettings, package_copies, package_files, swap
from spotlet.running.loop import detect_in_order
from spotlet.running.model import RunModel
from spotlet.running.package_copies import PackageCopies
from spotlet.running.package_files import copy_package, package_state
from spotlet.running.proof import QuietThread, prove
from spotlet.running.swap import ModelSwap
from spotlet.running.tracking import RunTracking
from spotlet.session import SessionSettings
from spotlet.streams import Arrival, open_streams
from spotlet.tracking import TrackingSettings

ONE_THREAD = SessionSettings(threads=1)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(swap, "SETTLE_SECONDS", 0.1)


def digest_of(folder: Path) -> str:
    return Detector(folder).identity.digest


@dataclass
class Watched:
    """A model that is watched without a run."""

    model: RunModel
    reload: threading.Event = field(default_factory=threading.Event)
    events: list[ModelEvent] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def next_event(self) -> ModelEvent:
        wait_until(lambda: self.events, lambda: self.notices)
        return self.events.pop(0)

    def score(self) -> float:
        (score,) = self.model.detector(frame_with_red()).scores.tolist()
        return round(float(score), 4)


@contextmanager
def watched(model: Path, *, watch: bool = True, **changes: Any) -> Iterator[Watched]:
    settings = RunSettings(model=model, sources=["rtsp://camera/1"], **changes)
    state = package_state(model, settings.variant)
    tracking = RunTracking(settings)
    path = locate_model(model, settings.variant)
    of = Watched(RunModel(settings, path, ONE_THREAD, tracking.prepare))
    model_swap = ModelSwap(
        of.model,
        settings,
        state,
        watch=watch,
        reload=of.reload,
        report=of.events.append,
        notify=of.notices.append,
    )
    with model_swap.running():
        yield of


def test_a_link_to_another_package_is_followed(tmp_path: Path) -> None:
    old, new = write_package(tmp_path / "v1"), write_package(tmp_path / "v2", red=0.6)
    link = tmp_path / "current"
    link.symlink_to(old)
    with watched(link) as of:
        assert of.score() == 0.9
        (tmp_path / "next").symlink_to(new)
        (tmp_path / "next").rename(link)
        event = of.next_event()
        assert (event.state, event.model, event.reason) == ("loaded", "current", None)
        assert event.digest == event.running == digest_of(new)
        assert of.score() == 0.6
        assert of.model.detector.identity.name == "current"


def test_files_that_are_replaced_in_place_are_taken_once_all_are_there(tmp_path: Path) -> None:
    package, new = write_package(tmp_path / "p"), write_package(tmp_path / "new", red=0.6)
    with watched(package) as of:
        shutil.copytree(new, package, dirs_exist_ok=True)
        assert of.next_event().state == "loaded"
        assert of.score() == 0.6


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "the file is the one in parity.json: sha256 "),
        ("other bytes", "the file is the one in parity.json: sha256 "),
        ("golden", "the picture is not the export's"),
        ("no record", "has no parity.json to check it with"),
    ],
)
def test_a_damaged_package_is_refused_once_and_the_old_one_stays(
    tmp_path: Path, kind: str, reason: str
) -> None:
    package = write_package(tmp_path / "p")
    old = digest_of(package)
    new = damage(write_package(tmp_path / "new", red=0.6), kind)
    with watched(package) as of:
        shutil.rmtree(package)
        shutil.copytree(new, package)
        event = of.next_event()
        assert event.state == "refused"
        assert reason in str(event.reason)
        assert str(tmp_path) not in str(event)
        assert "spotlet-swap-" not in str(event)
        assert event.running == old != event.digest
        assert of.score() == 0.9
        shutil.copytree(write_package(tmp_path / "whole", red=0.5), package, dirs_exist_ok=True)
        assert of.next_event().state == "loaded"  # and no second refusal
        assert of.score() == 0.5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"classes": ("blue", "red", "green")}, "its classes are blue, red, green, the run's are"),
        ({"pad_value": 0}, "its input's pad_value is 0, the run's is 114"),
        ({"objects": False}, "nothing is proven about detections"),
    ],
)
def test_a_whole_package_that_does_not_suit_the_run_is_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    package = write_package(tmp_path / "p")
    with watched(package, watch=False) as of:
        write_package(package, red=0.6, **changes)
        of.reload.set()
        event = of.next_event()
        assert (event.state, event.digest) == ("refused", digest_of(package))
        assert reason in str(event.reason)
        assert of.score() == 0.9


def test_a_package_that_is_taken_away_is_refused_and_may_come_back(tmp_path: Path) -> None:
    package = write_package(tmp_path / "p")
    with watched(package) as of:
        package.rename(tmp_path / "away")
        event = of.next_event()
        assert (event.state, event.digest) == ("refused", None)
        assert "p: no such file" in str(event.reason)
        (tmp_path / "away").rename(package)
        event = of.next_event()  # nothing is loaded, but a refusal must not stay on a page
        assert (event.state, event.digest, event.ms) == ("loaded", digest_of(package), None)
        os.utime(package / "model.onnx")
        wait_until(lambda: of.notices)
        assert "has the same model file" in of.notices[0]
        assert of.events == []


def test_a_package_that_is_only_touched_is_a_notice(tmp_path: Path) -> None:
    package = write_package(tmp_path / "p")
    with watched(package) as of:
        os.utime(package / "model.onnx")
        wait_until(lambda: of.notices)
        assert of.events == []


def test_without_watching_only_a_reload_looks_at_the_package(tmp_path: Path) -> None:
    package = write_package(tmp_path / "p")
    with watched(package, watch=False) as of:
        write_package(package, red=0.6)
        assert not of.events
        of.reload.set()
        assert of.next_event().state == "loaded"
        assert not of.reload.is_set()
        of.reload.set()
        wait_until(lambda: of.notices)


def test_a_package_that_changes_while_it_is_checked_gives_way_to_the_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_package(tmp_path / "p")

    def prove_late(model: RunModel, path: Path, quiet: QuietThread) -> Detector:
        done.append(path)
        if len(done) == 1:
            write_package(package, red=0.5)
        return prove(model, path, quiet)

    done: list[Path] = []
    with watched(package, watch=False) as of:
        write_package(package, red=0.6)
        monkeypatch.setattr(swap, "prove", prove_late)
        of.reload.set()
        assert of.next_event().state == "loaded"
        assert of.score() == 0.5
        assert not any(path.exists() for path in done)


def test_what_is_proven_is_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_package(tmp_path / "p")

    def prove_alone(model: RunModel, path: Path, quiet: QuietThread) -> Detector:
        package.rename(tmp_path / "away")
        try:
            return prove(model, path, quiet)
        finally:
            (tmp_path / "away").rename(package)

    with watched(package, watch=False) as of:
        write_package(package, red=0.6)
        monkeypatch.setattr(swap, "prove", prove_alone)
        of.reload.set()
        assert of.next_event().state == "loaded"


def test_a_package_that_changes_while_it_is_copied_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_package(tmp_path / "p")

    def copy_early(model: str | Path, variant: str | None, folder: Path) -> Path:
        path = copy_package(model, variant, folder)
        if not copies:
            write_package(package, red=0.5)
        copies.append(path)
        return path

    copies: list[Path] = []
    with watched(package, watch=False) as of:
        damage(write_package(package, red=0.6), "truncated")
        monkeypatch.setattr(package_copies, "copy_package", copy_early)
        of.reload.set()
        assert of.next_event().state == "loaded"
        assert of.score() == 0.5
        assert len(copies) == 2


def test_a_link_to_itself_is_refused_and_once_repaired_the_watch_goes_on(tmp_path: Path) -> None:
    old, new = write_package(tmp_path / "v1"), write_package(tmp_path / "v2", red=0.6)
    link = tmp_path / "current"
    link.symlink_to(old)
    with watched(link) as of:
        for target, state in ((link, "refused"), (new, "loaded")):
            (tmp_path / "next").symlink_to(target)
            (tmp_path / "next").rename(link)
            assert of.next_event().state == state
        assert of.score() == 0.6


def test_the_folder_in_which_a_run_was_started_may_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    write_package(folder / "p")
    monkeypatch.chdir(folder)
    try:
        with watched(Path("p")) as of:
            shutil.rmtree(folder)
            event = of.next_event()
            assert (event.state, event.digest) == ("refused", None)
            assert str(tmp_path) not in str(event)
            write_package(folder / "p", red=0.6)
            assert of.next_event().state == "loaded"
    finally:
        monkeypatch.undo()


def test_nothing_ends_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_package(tmp_path / "p")
    with watched(package) as of:
        take = of.model.take

        def fail(detector: Detector) -> None:
            monkeypatch.setattr(of.model, "take", take)
            raise RuntimeError("a fault of the program")

        monkeypatch.setattr(of.model, "take", fail)
        write_package(package, red=0.6)
        assert of.next_event().reason == "RuntimeError: a fault of the program"
        write_package(package, red=0.5)
        assert of.next_event().state == "loaded"


def test_a_package_that_the_device_has_no_room_for_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "RETRY_SECONDS", 0.1)
    package = write_package(tmp_path / "p")
    tries = []

    def fill(model: str | Path, variant: str | None, folder: Path) -> Path:
        tries.append(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with watched(package) as of:
        monkeypatch.setattr(package_copies, "copy_package", fill)
        write_package(package, red=0.6)
        assert of.next_event().reason == (
            f"TMPDIR {tempfile.gettempdir()}: cannot hold the copy of 1 MB (No space left on "
            "device); free some or set TMPDIR"
        )
        wait_until(lambda: len(tries) > 2)
        assert of.events == []  # the same refusal again is none
        monkeypatch.setattr(package_copies, "copy_package", copy_package)
        assert of.next_event().state == "loaded"


def test_a_slow_check_is_a_notice_and_the_times_of_both_models_are_in_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "SLOW_SECONDS", 0.01)

    def prove_slowly(model: RunModel, path: Path, quiet: QuietThread) -> Detector:
        wait_until(lambda: of.notices)
        return prove(model, path, quiet)

    package = write_package(tmp_path / "p")
    old = digest_of(package)
    with watched(package) as of:
        monkeypatch.setattr(swap, "prove", prove_slowly)
        write_package(package, red=0.6)
        event = of.next_event()
        assert of.notices == [f"model p {event.digest}: still being checked, {old} runs on"]
    assert event.ms is not None
    assert re.search(r": loaded; [\d.e+]+ ms a frame, [\d.e+]+ ms before$", str(event))


@pytest.mark.live
@pytest.mark.skipif(os.name != "posix", reason="without locks nothing is removed")
def test_the_copies_of_a_killed_run_are_removed_and_those_of_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    package = write_package(tmp_path / "p")
    script = (
        "import os, signal, sys\n"
        "from spotlet.running.package_copies import PackageCopies\n"
        "with PackageCopies().copy(sys.argv[1], None):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(package)],
        check=False,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    (left,) = tmp_path.glob("spotlet-swap-*")
    with PackageCopies().copy(package, None) as path:
        package_copies.remove_abandoned()
        assert list(tmp_path.glob("spotlet-swap-*")) == [path.parent] != [left]
    assert not list(tmp_path.glob("spotlet-swap-*"))


def test_golden_frames_that_are_too_large_together_are_refused_with_that_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_package(tmp_path / "p")
    (tmp_path / "copy").mkdir()
    monkeypatch.setattr(package_files, "MOST_GOLDEN_BYTES", 100)
    with pytest.raises(ModelFileError, match="golden: holds over 0 MB, the most for a running"):
        copy_package(package, None, tmp_path / "copy")


def test_a_fault_that_nobody_foresaw_is_a_refusal_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(model: RunModel, path: Path, quiet: QuietThread) -> Detector:
        raise MemoryError("no room")

    package = write_package(tmp_path / "p")
    with watched(package) as of:
        monkeypatch.setattr(swap, "prove", fail)
        write_package(package, red=0.6)
        assert of.next_event().reason == "MemoryError: no room"


def test_the_settings_of_the_run_hold_for_the_new_model_and_else_its_own(tmp_path: Path) -> None:
    package = write_package(tmp_path / "p")
    for given, expected in ((None, 0.2), (0.3, 0.3)):
        write_package(package, least_score=0.4)
        with watched(package, watch=False, score_threshold=given, iou_threshold=0.5) as of:
            write_package(package, red=0.6, least_score=0.2)
            of.reload.set()
            assert of.next_event().state == "loaded"
            rule = of.model.detector.rule
            assert (rule.score_threshold, rule.iou_threshold) == (expected, 0.5)


def test_tracking_lowers_the_new_models_threshold_as_it_did_the_old_ones(tmp_path: Path) -> None:
    package = write_package(tmp_path / "p")
    with watched(package, watch=False, tracking=TrackingSettings()) as of:
        assert of.model.detector.rule.score_threshold == 0.2
        write_package(package, red=0.85, least_score=0.8)
        of.reload.set()
        assert of.next_event().state == "loaded"
        assert of.model.detector.rule.score_threshold == 0.4


def test_each_frame_is_tracked_with_the_threshold_of_the_model_that_saw_it(tmp_path: Path) -> None:
    strict = Detector(write_package(tmp_path / "strict", red=0.85, least_score=0.8))
    easy = Detector(write_package(tmp_path / "easy", red=0.6, least_score=0.55))
    settings = RunSettings(
        model="x", sources=["rtsp://camera/1"], tracking=TrackingSettings(start_score=0.5)
    )
    tracking = RunTracking(settings)
    for detector in (strict, easy):
        tracking.prepare(detector)
    with open_streams([tmp_path / "strict" / "golden" / "one.png"]) as group:
        stream = group.streams[0]
        tracking.begin(group.streams)
        for index, detector in enumerate([easy, strict, easy]):
            found = replace(easy(frame_with_red()), model=detector.identity)
            frame = replace(live_frame(index), pts_seconds=float(10 * index))
            assert len(tracking.update(stream, frame, found)) == (detector is easy)


def test_the_old_session_is_freed(tmp_path: Path) -> None:
    package = write_package(tmp_path / "p")
    with watched(package) as of:
        of.score()
        session = weakref.ref(of.model.detector.session._own.get())
        write_package(package, red=0.6)
        assert of.next_event().state == "loaded"

        def is_gone() -> bool:
            gc.collect()
            return session() is None

        wait_until(is_gone)


def test_events_reach_the_outputs_of_one_camera_while_it_sends_nothing() -> None:
    def batches(most: int, idle: Callable[[], None]) -> Iterator[list[Arrival]]:
        idle()
        yield from ()

    flushed: list[int] = []
    settings = RunSettings(model="p", sources=["rtsp://camera/1"])
    group: Any = SimpleNamespace(batches=batches, stop=None)
    model: Any = SimpleNamespace(detector=Detector("cards"))
    detected = detect_in_order(model, group, Workers(), settings, lambda: flushed.append(1))
    assert list(detected) == []
    assert flushed


def test_a_links_target_and_not_its_name_decides_what_has_changed(tmp_path: Path) -> None:
    package = write_package(tmp_path / "v1")
    (tmp_path / "current").symlink_to(package)
    before = package_state(tmp_path / "current", None)
    assert before == package_state(package, None)
    (package / "CARD.md").write_text("a note")
    assert before == package_state(package, None)
    (package / "golden" / "two.png").write_bytes(b"")
    assert before != package_state(package, None)
    assert package_state(tmp_path / "none", None) != before
