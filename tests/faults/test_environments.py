"""Sessions where something is short or forbidden: each ends its work, or says in one sentence why it cannot."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness.toy_session import ROOT, SLOW, Session

pytestmark = pytest.mark.slow  # a night's
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to limit what a session has")

FILLS = """
import os
from tests.harness.toy_experiments import Toy

def experiments(settings):
    return {"toy": [Toy(os.environ["TOY_MARKS"], 1.0, 0, fault="fill")]}

def test_runs(runs):
    pass
"""
SIZED = """
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import Constant
from reproductions.experiments.training import Training
from reproductions.workloads.digits import Digits

def experiments(settings):
    batch = min(64, 1200 // @)
    return {"toy": [Training(ModelAveraging(), Digits(), Constant(0.1), nodes=@, batch=batch, epochs=1, seed=0)]}

def test_runs(runs):
    assert not runs.all[0].diverged
"""
PLACES = (Path(sys.base_prefix), Path(sys.prefix), ROOT)  # what a session of any user reads


def run(session: Session, wrapper: Sequence[str] = (), *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*wrapper, *session.command(str(session.paper), *arguments)]
    environment, folder = session.environment(), session.folder
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def shell(before: str) -> list[str]:
    return ["sh", "-c", f'{before}; exec "$@"', "sh"]


def own_mounts() -> list[str]:
    own = ["unshare", "--mount"]
    if subprocess.run([*own, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mounts of one's own can be made here")
    return own


@pytest.mark.fault("size")
@pytest.mark.parametrize(("workers", "ranks"), [(64, 2), (200, 2), (16, 16)])
def test_many_workers_on_few_ranks_and_many_ranks_on_few_cores_end(session: Session, workers: int, ranks: int) -> None:
    session.write_test(SIZED.replace("@", str(workers)))
    done = run(session, (), "--ranks", str(ranks))
    assert done.returncode == 0, done.stdout


# --------------------------------------------------------------------------------------------------------- memory


@contextlib.contextmanager
def control_group(limit: int) -> Iterator[Path]:
    """Give the file into which a process that may have so many bytes writes itself."""
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    old = first.is_dir()
    group = (first if old else second) / f"reproductions-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


@needs_root
@pytest.mark.fault("memory")
def test_a_rank_that_the_system_kills_for_memory_is_a_sentence(session: Session) -> None:
    session.write_test(FILLS)
    with control_group(1 << 30) as processes:
        done = run(session, shell(f"echo $$ > {processes}"))
    assert done.returncode == 1
    said = "ended with code 137 and without a result (one was killed by SIGKILL, often for memory)"
    assert said in done.stdout, done.stdout
    assert "def launch" not in done.stdout


@pytest.mark.fault("memory")
def test_a_rank_that_gets_no_memory_is_a_sentence(session: Session) -> None:
    session.write_test(FILLS)
    done = run(session, shell(f"ulimit -v {4 << 20}"))
    assert done.returncode == 1
    assert "rank 1 of 2 raised:\nmemory ran out (MemoryError): ask for fewer --ranks" in done.stdout
    assert "Traceback" not in done.stdout


@needs_root
@pytest.mark.fault("memory")
def test_four_megabytes_of_shared_memory_are_enough(session: Session) -> None:
    session.write_test(SLOW)
    done = run(session, [*own_mounts(), *shell("mount -t tmpfs -o size=4m none /dev/shm")])
    assert done.returncode == 0, done.stdout


@needs_root
@pytest.mark.fault("permissions")
def test_a_full_disk_of_temporary_files_is_left_for_another(session: Session) -> None:
    session.write_test(SLOW)
    full = session.folder / "full"
    full.mkdir()
    fill = (
        f"mount -t tmpfs -o size=64k none {full}; dd if=/dev/zero of={full}/x bs=64k 2>/dev/null; export TMPDIR={full}"
    )
    done = run(session, [*own_mounts(), *shell(fill)])
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------------------------------------------- permissions


def as_nobody(folder: Path) -> list[str]:
    """Return the words that make a command one of a user without any right, who may read Python and the checkout."""
    closed = [part for place in PLACES for part in (place, *place.parents) if not part.stat().st_mode & 0o001]
    home = min(closed, key=lambda path: len(path.parts), default=None)
    moved = [place for place in PLACES if home and place.is_relative_to(home)]
    shown = [f"mkdir {folder}/{i}; mount --bind {place} {folder}/{i}" for i, place in enumerate(moved)]
    shown += [f"mount -t tmpfs -o mode=755 none {home}"] if home else []
    shown += [f"mkdir -p {place}; mount --bind {folder}/{i} {place}" for i, place in enumerate(moved)]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *shell("true")]
    return [*own_mounts(), *shell("; ".join(["set -e", *shown])), *nobody]


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Give a session that belongs to nobody, where nobody can reach it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        session = Session(Path(name) / "session")
        session.write_test(SLOW)
        session.results.mkdir()
        Path(name).chmod(0o755)
        for path in (session.folder, *session.folder.rglob("*")):
            os.chown(path, 65534, 65534)
        monkeypatch.setenv("TMPDIR", "/tmp")
        yield session


def run_as_nobody(session: Session) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(dir="/tmp") as mounts:
        Path(mounts).chmod(0o755)
        return run(session, as_nobody(Path(mounts)))


@needs_root
@pytest.mark.fault("permissions")
def test_a_user_without_any_right_decides(unprivileged: Session) -> None:
    done = run_as_nobody(unprivileged)
    assert done.returncode == 0, done.stdout + done.stderr
    assert unprivileged.verdicts()["toy-number"]["verdict"] == "reproduced"


@needs_root
@pytest.mark.fault("permissions")
def test_a_user_without_any_right_trains(unprivileged: Session) -> None:
    (unprivileged.paper / "test_toy.py").write_text(SIZED.replace("@", "4"))
    done = run_as_nobody(unprivileged)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_root
@pytest.mark.fault("permissions")
@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("", "ERROR: --results is "),
        ("runs", "ERROR: --results is "),
        ("smoke", "verdicts.json cannot be written (Permission denied)"),
    ],
)
@pytest.mark.parametrize("mode", [0o000, 0o500])
def test_a_folder_that_is_closed_is_one_sentence_at_the_start(
    unprivileged: Session, place: str, sentence: str, mode: int
) -> None:
    closed = unprivileged.results / place
    closed.mkdir(exist_ok=True)
    os.chown(closed, 65534, 65534)
    closed.chmod(mode)
    done = run_as_nobody(unprivileged)
    closed.chmod(0o700)
    assert done.returncode == 4
    assert done.stderr.count("\n") <= 2
    assert sentence in done.stderr or (mode == 0 and "Permission denied" in done.stderr)
