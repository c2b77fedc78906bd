"""Copies: what a fresh machine needs to go on, in few files of bounded size.

A copy is a compressed tar file, cut into volumes, and ``state.json``, which names them with their checksums. New
volumes are written beside the old ones, then the state takes its place, then the old ones are removed: a copy that is
cut off at any time leaves the one before, whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from reproductions.gpu_hour import state as states
from reproductions.gpu_hour.state import HourState
from reproductions.harness.runs.checkpoints import contents, fraction, replace_file, size
from reproductions.report.errors import ReportError

MIB = 1 << 20
VOLUME = 15 * MIB  # of a file, below the 16 MiB that machines may hand back of one
HEAD = 2048  # bytes that tar needs for a file besides what it holds
RESULTS = "results"  # of a working folder


class _Item(NamedTuple):
    """Files that are copied together or not at all."""

    name: str
    size: int
    read: Callable[[], dict[Path, bytes]]


def made(results: Path) -> tuple[int, float]:
    """Return how many runs are finished, and how much of the others their checkpoints hold."""
    checkpoints = (results / "runs").glob("[!.]*.checkpoint")
    finished = sum(1 for _ in (results / "runs").glob("[!.]*/run.json"))
    return finished, sum(fraction(each) or 0.0 for each in checkpoints)


def save(work: Path, out: Path, state: HourState, limit: int) -> None:
    """Copy what is in a working folder, and its state, to `out`.

    Figures, verdicts and logs go first, then finished runs, then checkpoints, the smallest first.

    Parameters
    ----------
    limit
        Most bytes of a copy, before compression; for a moment `out` holds two copies.
    """
    state.saved += 1
    packed, state.left_out = _packed(work / RESULTS, limit)
    states.write(work, state)
    out.mkdir(parents=True, exist_ok=True)
    volumes = {
        f"kept-{state.saved}.tgz.{i:02}": packed[start : start + VOLUME]
        for i, start in enumerate(range(0, len(packed), VOLUME))
    }
    for name, content in volumes.items():
        replace_file(out / name, content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in volumes.items()}
    states.write(out, state.model_copy(update={"volumes": digests, "proved": {}}))
    for old in out.glob("kept-*"):
        if old.name not in volumes:
            old.unlink()


def restore(copy: Path, work: Path, state: HourState) -> None:
    """Put what a copy holds, whose state is given, into a working folder, in place of what is there.

    Raises
    ------
    ReportError
        If a volume is missing or damaged, or holds what is no plain file inside of it; then nothing is changed.
    """
    packed = b"".join(_volume(copy / name, digest) for name, digest in state.volumes.items())
    draft, results = work / ".draft", work / RESULTS
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        _unpack(archive, draft)
    (work / states.FILE).unlink(missing_ok=True)
    shutil.rmtree(results, ignore_errors=True)
    draft.rename(results)
    states.write(work, state)


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    for member in archive.getmembers():
        path = PurePosixPath(member.name)
        if not member.isfile() or path.is_absolute() or ".." in path.parts:
            raise ReportError(f"{member.name!r} in the copy is no plain file inside of it: nothing is unpacked")
    archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.2, of Debian 12, has none
    archive.extractall(folder)


def _volume(path: Path, digest: str) -> bytes:
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise ReportError(f"{path} is missing or damaged: give the whole folder that came back, or an earlier one")
    return content


def _packed(results: Path, limit: int) -> tuple[bytes, list[str]]:
    """Return a compressed tar file of what fits, and the names of what does not."""
    memory, left, left_out = io.BytesIO(), limit, list[str]()
    with tarfile.open(fileobj=memory, mode="w:gz", compresslevel=1) as archive:
        for item in chain(_files(results), _finished(results / "runs"), _begun(results / "runs")):
            if item.size > left:
                left_out.append(f"{item.name} ({item.size / MIB:.1f} MiB)")
                continue
            left -= item.size
            for path, content in item.read().items():
                head = tarfile.TarInfo(str(path.relative_to(results)))
                head.size = len(content)
                archive.addfile(head, io.BytesIO(content))
    return memory.getvalue(), left_out


def _files(results: Path) -> Iterator[_Item]:
    """Yield figures, verdicts and logs, without what a session that is at work has not moved into place yet."""
    for folder, folders, names in os.walk(results):
        folders[:] = sorted(
            each for each in folders if not each.startswith(".") and Path(folder, each) != results / "runs"
        )
        for path in (Path(folder, name) for name in sorted(names) if not name.startswith(".")):
            yield _Item(str(path.relative_to(results)), _bytes([path]), partial(_read, [path]))


def _finished(runs: Path) -> Iterator[_Item]:
    for record in sorted(runs.glob("[!.]*/run.json")):
        files = [record.with_name("frame.parquet"), record]
        yield _Item(f"the run {record.parent.name}", _bytes(files), partial(_read, files))


def _begun(runs: Path) -> Iterator[_Item]:
    for folder in sorted(runs.glob("[!.]*.checkpoint"), key=size):
        yield _Item(f"the checkpoint {folder.stem}", size(folder) + HEAD, partial(contents, folder))


def _bytes(paths: Sequence[Path]) -> int:
    with contextlib.suppress(FileNotFoundError):
        return sum(path.stat().st_size + HEAD for path in paths)
    return 0


def _read(paths: Sequence[Path]) -> dict[Path, bytes]:
    """Return what files hold; nothing if one of them was replaced by another name meanwhile."""
    try:
        return {path: path.read_bytes() for path in paths}
    except FileNotFoundError:
        return {}
