import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spotlet.atomic import atomic_file, atomic_folder
from spotlet.errors import OutputError


class StopError(Exception):
    """What a failing block raises."""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_its_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "a.txt"
    with atomic_file(path) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names_in(path.parent) == ["a.txt"]


def test_a_new_file_can_be_read_by_others(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.txt"):
        pass
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_file_that_was_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with atomic_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("there", [True, False])
def test_a_failing_block_leaves_the_file_as_it_was(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "a.txt").write_text("old")

    def half_write() -> None:
        with atomic_file(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise StopError

    with pytest.raises(StopError):
        half_write()
    assert names_in(tmp_path) == (["a.txt"] if there else [])
    assert not there or (tmp_path / "a.txt").read_text() == "old"


def test_a_place_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), atomic_file(tmp_path / "file/a"):
        pass
    with pytest.raises(OutputError, match="cannot be written"), atomic_folder(tmp_path / "file/a"):
        pass


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        for write in (atomic_file, atomic_folder):
            with pytest.raises(OutputError, match="cannot be written"), write(tmp_path / "a"):
                pass
    finally:
        tmp_path.chmod(0o700)


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="is not a file"), atomic_file(tmp_path / "a"):
        pass


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no devices in the file system")
def test_a_file_does_not_take_the_place_of_a_device() -> None:
    with pytest.raises(OutputError, match="is not a file"), atomic_file(Path("/dev/null")):
        pass


def test_a_folder_that_appears_in_the_place_of_the_file_meanwhile_is_an_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(OutputError, match="cannot be written"), atomic_file(tmp_path / "a"):
        (tmp_path / "a" / "b").mkdir(parents=True)
    assert names_in(tmp_path) == ["a"]


def fill(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_text(text)


def test_a_folder_appears_when_its_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "package"
    with atomic_folder(path) as temporary:
        fill(temporary, "whole")
        assert not path.exists()
    assert (path / "model.onnx").read_text() == "whole"
    assert path.stat().st_mode & 0o777 == 0o755
    assert names_in(path.parent) == ["package"]


@pytest.mark.parametrize("before", ["nothing", "empty", "package"])
def test_a_failing_block_leaves_the_folder_as_it_was(tmp_path: Path, before: str) -> None:
    path = tmp_path / "package"
    if before == "package":
        fill(path, "old")
    elif before == "empty":
        path.mkdir()

    def half_write() -> None:
        with atomic_folder(path, marker="model.onnx") as temporary:
            fill(temporary, "half")
            raise StopError

    with pytest.raises(StopError):
        half_write()
    assert names_in(tmp_path) == ([] if before == "nothing" else ["package"])
    assert before != "package" or (path / "model.onnx").read_text() == "old"
    assert before != "empty" or names_in(path) == []


def test_a_folder_with_the_marker_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "package"
    fill(path, "old")
    (path / "stale").write_text("")
    with atomic_folder(path, marker="model.onnx") as temporary:
        fill(temporary, "new")
    assert names_in(tmp_path) == ["package"]
    assert names_in(path) == ["model.onnx"]
    assert (path / "model.onnx").read_text() == "new"


@pytest.mark.parametrize("marker", ["", "model.onnx"])
def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path, marker: str) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="would be lost"), atomic_folder(tmp_path, marker=marker):
        pass
    assert names_in(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to(path.parent)])
def test_a_folder_does_not_take_the_place_of_something_else(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "a")
    with pytest.raises(OutputError, match="is not a folder"), atomic_folder(tmp_path / "a"):
        pass
    assert names_in(tmp_path) == ["a"]
