import os
from pathlib import Path

import pytest

import spotlet.cores
from spotlet.cores import automatic_threads, physical_cores, quota_cores, usable_cores
from spotlet.model.opening import SessionSettings, session_options
from spotlet.pipeline import plan_workers


def system(root: Path, groups: str, files: dict[str, str]) -> Path:
    """Writes the files of a system: of this process's groups, and below /sys/fs/cgroup."""
    for path, text in {"proc/self/cgroup": groups, **files}.items():
        path = path if path.startswith("proc") else f"sys/fs/cgroup/{path}"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "50000 50000"}, 1),
        # A container sees its own group at the top, and the host's name of it.
        ("0::/docker/77\n", {"cpu.max": "300000 100000"}, 3),
        (
            "4:memory:/x\n3:cpu,cpuacct:/docker/77\n",
            {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            2.5,
        ),
        (
            "3:cpu,cpuacct:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            0.5,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("1:cpuset:/\n", {"cpu/cpu.cfs_quota_us": "1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("nonsense", {"cpu.max": "a b c"}, None),
    ],
)
def test_a_quota_is_that_of_the_strictest_group(
    tmp_path: Path, groups: str, files: dict[str, str], expected: float | None
) -> None:
    assert quota_cores(system(tmp_path, groups, files)) == expected


def test_a_system_without_groups_has_no_quota(tmp_path: Path) -> None:
    assert quota_cores(tmp_path) is None


def cores_of_two_hyperthreads(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretends that this process may use four cores, each of two processors."""
    for number in range(8):
        siblings = root / f"cpu{number}/topology/thread_siblings_list"
        siblings.parent.mkdir(parents=True)
        siblings.write_text(f"{number % 4},{number % 4 + 4}\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return root


def test_onnxruntime_chooses_the_threads_where_the_system_does_not_tell_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spotlet.cores, "quota_cores", lambda: None)
    monkeypatch.setattr(spotlet.cores, "CPUS", tmp_path)
    assert physical_cores() == 0
    assert session_options(SessionSettings()).intra_op_num_threads == 0


@pytest.mark.parametrize(
    ("quota", "cores", "threads"), [(None, 8, 4), (1.5, 2, 2), (0.2, 1, 1), (64.0, 8, 4)]
)
def test_no_more_threads_are_started_than_the_quota_allows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quota: float | None,
    cores: int,
    threads: int,
) -> None:
    monkeypatch.setattr(spotlet.cores, "_allowed_cores", lambda: 8)
    monkeypatch.setattr(spotlet.cores, "CPUS", cores_of_two_hyperthreads(tmp_path, monkeypatch))
    monkeypatch.setattr(spotlet.cores, "quota_cores", lambda: quota)
    assert usable_cores() == cores
    assert plan_workers(0, sources=1, live=False).count == cores
    assert automatic_threads() == (cores if cores < 8 else 0)
    assert session_options(SessionSettings()).intra_op_num_threads == threads
    assert session_options(SessionSettings(threads=5)).intra_op_num_threads == 5
