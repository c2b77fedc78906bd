import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from reproductions.harness.runs import launcher
from reproductions.harness.runs.launcher import LimitReached, RanksFailed, launch

TOY = "tests.harness.runs.toy_ranks"
pytestmark = pytest.mark.fault("launches that go wrong")
LIMIT = 60.0  # twelve times what they take on idle cores: other tests run beside them


def run_toy(
    folder: Path, what: str, limit: float = LIMIT, ranks: int = 3, command: str | None = None, mortal: bool = False
) -> None:
    (folder / "what").write_text(what)
    try:
        launch(TOY, folder, ranks, limit, command, mortal=mortal)
    finally:
        assert_nothing_left(folder)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def assert_nothing_left(folder: Path, patience: float = 5.0) -> None:
    pids = [int(path.read_text()) for path in folder.glob("pid-*")]
    end = time.monotonic() + patience
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left, f"ranks are left running: {left}"


def test_a_rank_that_raises_gives_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(RanksFailed, match=r"(?s)rank 1 of 3 raised.*RuntimeError: the toy fell off the table"):
        run_toy(tmp_path, "raise")


@pytest.mark.parametrize("what", ["exit", "kill"])
def test_a_rank_that_vanishes_is_named_as_an_early_end(tmp_path: Path, what: str) -> None:
    with pytest.raises(RanksFailed, match=r"3 ranks ended with code [1-9]"):
        run_toy(tmp_path, what)


def test_a_rank_that_exits_with_success_before_the_work_is_done_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RanksFailed):
        run_toy(tmp_path, "exit quietly", limit=6)


@pytest.mark.parametrize("what", ["hang", "raise when ended"])
def test_a_deadlock_ends_at_the_limit(tmp_path: Path, what: str) -> None:
    start = time.monotonic()
    with pytest.raises(LimitReached, match=r"did not finish within the limit of 5 s \(--run-timeout\)"):
        run_toy(tmp_path, what, limit=5)
    assert time.monotonic() - start < 5 + launcher.GRACE
    assert len(list(tmp_path.glob("pid-*"))) == 3


def test_ranks_that_hang_after_success_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "SHUTDOWN", 1.0)
    with pytest.raises(RanksFailed, match="reported success but did not end"):
        run_toy(tmp_path, "hang after success")


def test_ranks_at_the_limit_that_are_still_about_to_end_are_late_not_wrong(tmp_path: Path) -> None:
    (tmp_path / "done").touch()
    with subprocess.Popen(["sleep", "60"]) as process:
        verdict = launcher._wait(process, tmp_path, 0.1, lambda: None)
        process.kill()
    assert verdict == launcher.TOO_LONG.format(0.1)


def test_an_interrupt_in_the_launching_process_stops_the_ranks(tmp_path: Path) -> None:
    (tmp_path / "what").write_text("hang")

    def interrupt() -> None:
        if (tmp_path / "pid-1").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(TOY, tmp_path, 2, LIMIT, on_tick=interrupt)
    assert_nothing_left(tmp_path)


def test_ranks_end_when_the_launching_process_is_killed(tmp_path: Path) -> None:
    (tmp_path / "what").write_text("orphan")
    code = (
        "import os, pathlib; from reproductions.harness.runs.launcher import launch;"
        f"folder = pathlib.Path({str(tmp_path)!r}); (folder / 'watched').write_text(str(os.getpid()));"
        f"launch({TOY!r}, folder, 2, 60)"
    )
    root = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root)
    end = time.monotonic() + LIMIT
    while len(list(tmp_path.glob("pid-*"))) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1.0)
    process.kill()
    process.wait()
    assert_nothing_left(tmp_path, patience=10)


HOLDS = """
import os
from pathlib import Path
from reproductions.harness.runs import launcher
folder = Path({folder!r})
launcher.MEMORY = folder / "memory"
(folder / "watched").write_text(str(os.getpid()))
launcher.launch({toy!r}, folder, 2, 60)
"""


def test_what_open_mpi_leaves_when_all_is_killed_goes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, memory = tmp_path / "temporary", tmp_path / "memory"
    temporary.mkdir()
    (tmp_path / "what").write_text("orphan")
    code, environment = HOLDS.format(folder=str(tmp_path), toy=TOY), os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3], env=environment)
    end = time.monotonic() + LIMIT
    while len(list(memory.glob("*/sm_segment*"))) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    (mpiexec,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    os.kill(int(mpiexec), signal.SIGKILL)
    process.wait()
    assert_nothing_left(tmp_path, patience=10)
    assert list(memory.glob("reproductions-*/sm_segment*"))
    assert list(temporary.glob("reproductions-*/ompi*"))
    (memory / "sm_segment.of.somebody.else").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(launcher, "MEMORY", memory)
    launcher.remove_scratch()
    assert [path.name for path in (*memory.iterdir(), *temporary.iterdir())] == ["sm_segment.of.somebody.else"]


def test_no_home_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    run_toy(tmp_path, "work", ranks=2)


def test_a_disk_without_room_for_temporary_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "full"))
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(RanksFailed, match=r"^no temporary files can be written \(.*No space.*\): free .*/full, or"):
        run_toy(tmp_path, "work", ranks=2)


def test_the_users_own_launcher_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own-mpiexec"
    beside = Path(sys.executable).with_name("mpiexec")
    program = str(beside) if beside.exists() else shutil.which("mpiexec")
    own.write_text(f'#!/bin/sh\necho used >> {tmp_path}/used\nexec {program} "$@"\n')
    own.chmod(0o755)
    for name, value in launcher.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)  # a cluster's own MPI needs none of these
    run_toy(tmp_path, "work", command=f"{own} --np {{ranks}}", ranks=2)
    assert (tmp_path / "used").read_text() == "used\n"


@pytest.mark.parametrize("own", [None, "glibc.malloc.hugetlb=1"])
def test_ranks_keep_the_memory_that_they_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if own is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", own)  # who sets it knows why
    run_toy(tmp_path, "faults")
    faults = int((tmp_path / "faults").read_text())
    assert (faults < 100) == (own is None)


def test_a_launcher_that_cannot_start_says_so(tmp_path: Path) -> None:
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho 'no allocation' >&2; exit 7\n")
    failing.chmod(0o755)
    with pytest.raises(RanksFailed, match=r"(?s)ended with code 7.*no allocation"):
        run_toy(tmp_path, "work", command=f"{failing} {{ranks}}")


def test_among_mortal_ranks_one_that_raises_still_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(RanksFailed, match="rank 1 of 3 raised"):
        run_toy(tmp_path, "raise", mortal=True)


def test_mortal_ranks_need_the_bundled_launcher(tmp_path: Path) -> None:
    with pytest.raises(RanksFailed, match="need the bundled Open MPI with ULFM, not 'srun'"):
        run_toy(tmp_path, "work", command="srun", mortal=True)
