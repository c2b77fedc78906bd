"""Kept evidence: the file of verdicts, which no session makes worse.

A decision is replaced only by a decision on at least as many seeds, and by an inconclusive one only on more. What was
not run, or crashed, never replaces a decision. Each verdict is written when it is decided, whole or not at all, and
sessions that share a file take turns.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reproductions.harness.runs.provenance import Provenance
from reproductions.harness.verdicts.faults import brief, fault, first
from reproductions.harness.verdicts.record import SCHEMA, Verdict

Row = dict[str, Any]
Name = tuple[str, str]  # of a claim and a scale
Document = dict[str, Any]
LATER = {"by_reading": {}, "samples": ""}  # fields of which older records do not know
UNLOCKED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system that locks nothing
NOTHING = ("not run", "crashed")  # from the least: a crash needs somebody to look
STANDING = ("reproduced", "misprint", "trend", "trend-excluded", "consistent", "erratum")
_SESSION = TypeAdapter(Provenance)
_ROW = TypeAdapter(Verdict)


class KeptError(ValueError):
    """A file of verdicts cannot be used; the message is one sentence that names it and says what to do."""


class NoVerdictsError(KeptError):
    """A file is none of verdicts, or was damaged."""


def check(path: Path) -> None:
    """Raise a `KeptError` if the verdicts in a file cannot be read, or none can be written there."""
    read(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent), path.open("a") if path.exists() else contextlib.nullcontext():
            pass
    except OSError as error:
        raise KeptError(f"{path} cannot be written ({error.strerror}): free it or give another folder") from None


def read(path: Path) -> Document:
    """Return the document of a file of verdicts; an empty one if there is no file.

    Raises
    ------
    KeptError
        If it cannot be read, is damaged (`NoVerdictsError`) or of another schema.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {"schema": SCHEMA, "provenance": {}, "sessions": {}, "claims": []}
    except OSError as error:
        raise KeptError(f"{path} cannot be read ({error.strerror}): restore it or move it away") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(document, dict):
        raise _damaged(path, f"it holds a {type(document).__name__}")
    if document.get("schema") != SCHEMA:
        found = brief(repr(document.get("schema")))
        raise KeptError(f"{path} has schema {found}, but this version writes schema {SCHEMA}: move it away")
    _check_rows(path, document)
    return document


def set_aside(path: Path) -> str:
    """Move a damaged file of verdicts beside its place; return a sentence on it, or nothing if it is whole."""
    with _alone(path.parent):
        try:
            read(path)
        except NoVerdictsError as error:
            names = (f"{path.name}.damaged{f'-{i}' if i else ''}" for i in itertools.count())
            to = next(path.with_name(name) for name in names if not os.path.lexists(path.with_name(name)))
            try:
                path.rename(to)
            except OSError as why:
                raise KeptError(f"{error}, which this session cannot do ({why.strerror})") from None
            return f"{str(error).rpartition(':')[0]}: it lies in {to.name} now, and a new one is begun"
    return ""


def keep(path: Path, verdicts: Iterable[Verdict], here: Mapping[str, Any], replace: bool = False) -> list[str]:
    """Add verdicts to a file where they are better evidence than what it holds.

    Parameters
    ----------
    path, verdicts
        The file, which need not exist, and the records of this session.
    here
        Provenance of this session.
    replace
        Let decisions replace those on more seeds.

    Returns
    -------
    list of str
        One sentence for each decision that was kept although this session has another.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        document = read(path)
        rows = {(row["id"], row["scale"]): row for row in document["claims"]}
        new = {(each.id, each.scale): each for each in verdicts}
        better = {name: each for name, each in new.items() if replaces(rows.get(name), asdict(each), replace)}
        left = [
            _left(rows[name], each) for name, each in new.items() if name not in better and differs(rows[name], each)
        ]
        if better:
            _write(path, _added(document, rows, better, dict(here)))
    return left


def replaces(old: Row | None, new: Row, forced: bool = False) -> bool:
    """Whether a record may take the place of another one, if there is one, of the same claim and scale."""
    if old is None:
        return True
    if new["verdict"] in NOTHING:
        return old["verdict"] in NOTHING[: NOTHING.index(new["verdict"]) + 1]
    if old["verdict"] in NOTHING or forced:
        return True
    more = max(new["seeds"], 1) - max(old["seeds"], 1)  # what has no seeds is decided once
    worse = new["verdict"] == "inconclusive" and old["verdict"] != "inconclusive"
    return bool(more > 0 if worse else more >= 0)


def differs(old: Row, new: Verdict) -> bool:
    """Whether a session found another verdict than the one that is kept, apart from finding nothing."""
    return new.verdict not in (old["verdict"], "not run")


def fallen(baseline: Path, verdicts: Iterable[Verdict]) -> list[str]:
    """Return one sentence for each verdict that stands in a baseline and now deviates or is inconclusive.

    Raises
    ------
    KeptError
        If there is no baseline, or it is damaged.
    """
    if not baseline.is_file():
        raise KeptError(f"there is no baseline {baseline}: give a file of verdicts, such as the kept one of the scale")
    before = {(row["id"], row["scale"]): row["verdict"] for row in read(baseline)["claims"]}
    return [
        f"{new.id} was {old} in {baseline} and now is {new.verdict}: {new.reason}"
        for new in verdicts
        if (old := before.get((new.id, new.scale))) in STANDING and new.verdict in ("deviates", "inconclusive")
    ]


# ------------------------------------------------------------------------------------------------------- details


def _check_rows(path: Path, document: Document) -> None:
    rows, sessions = document.get("claims"), document.get("sessions")
    if not isinstance(rows, list) or not isinstance(sessions, dict):
        raise _damaged(path, "it has no list of claims or no sessions")
    what = ""
    try:
        for name, session in sessions.items():
            what = f"the session {brief(repr(name))}"
            _SESSION.validate_json(json.dumps(session), strict=True)
        for row in rows:
            what = f"the record {brief(repr(row.get('id') if isinstance(row, dict) else row))}"
            stored = dict(row)
            for name, unknown in LATER.items():
                row[name] = stored[name] = stored.get(name, unknown)
            if stored.pop("session", None) not in sessions:
                raise ValueError("no session made it")
            if missing := [field.name for field in fields(Verdict) if field.name not in stored]:
                raise ValueError(f"{missing[0]} is missing")
            _ROW.validate_json(json.dumps(stored))
    except ValidationError as error:
        raise _damaged(path, f"{what}: {fault(first(error)['loc'], first(error))}") from None
    except (TypeError, ValueError) as error:
        raise _damaged(path, f"{what}: {error}") from None


def _damaged(path: Path, why: str) -> NoVerdictsError:
    return NoVerdictsError(f"{path} is no file of verdicts ({' '.join(why.split())}): restore it or move it away")


def _added(document: Document, rows: dict[Name, Row], better: Mapping[Name, Verdict], here: dict[str, Any]) -> Document:
    """Return the document with more records; sessions without a record left in it are dropped."""
    name = str(here["time"])
    while document["sessions"].get(name, here) != here:  # another session began in the same second
        name += "+"
    rows |= {key: asdict(each) | {"session": name} for key, each in better.items()}
    used = {row["session"] for row in rows.values()}
    sessions = {each: value for each, value in (document["sessions"] | {name: here}).items() if each in used}
    return {"schema": SCHEMA, "provenance": here, "sessions": sessions, "claims": list(rows.values())}


def _left(old: Row, new: Verdict) -> str:
    kept, found = (f"{row['verdict']} ({row['seeds']} seeds)" for row in (old, asdict(new)))
    return f"{new.id}: {kept} is kept, this session found {found}: {new.reason}"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other session writes into a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNLOCKED:
            os.close(handle)
            raise
    try:
        yield
    finally:
        os.close(handle)


def _write(path: Path, document: Document) -> None:
    for left in path.parent.glob(f".{path.name}.*"):  # by a session that was killed while it wrote
        left.unlink(missing_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(document, indent=1))
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
