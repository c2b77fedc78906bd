"""The part of the pytest plugin that keeps verdicts: files are checked first, and each is written as it comes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from reproductions.harness.session import SESSION, Session, plans_only
from reproductions.harness.verdicts import families, kept
from reproductions.harness.verdicts.record import Verdict


def verdicts_file(session: Session) -> Path:
    """Return the file that keeps the verdicts of the scale of a session."""
    return session.settings.results / session.settings.scale / "verdicts.json"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop before anything is run if verdicts cannot be kept, or there is nothing to compare them with.

    A damaged file of the results folder is set aside: a session that decides something is worth more than its name.
    """
    ours = session.config.stash[SESSION]
    try:
        for path in _files(ours):
            if path == verdicts_file(ours) and path.parent.is_dir() and not plans_only(session.config):
                _set_aside(ours, path)
            kept.check(path)
        if ours.settings.baseline:
            kept.fallen(ours.settings.baseline, [])
    except (OSError, kept.KeptError) as error:
        raise pytest.UsageError(str(error)) from None


def conclude(session: Session, verdict: Verdict) -> None:
    """Keep the verdict of a test that ended."""
    session.verdicts[verdict.id] = verdict
    _keep(session, [verdict])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Decide by Holm's procedure what was inconclusive alone, and compare with the baseline.

    The session fails if a verdict fell, is not the one that is listed, or could not be written.
    """
    ours = session.config.stash.get(SESSION, None)
    if ours is None or not ours.verdicts:
        return
    ended = [decider for name, decider in ours.deciders.items() if name in ours.verdicts]
    changed = families.step_down(ended)
    ours.faults += [decider.fault for decider in changed if decider.fault]
    _keep(ours, [decider.verdict for decider in changed])
    for path, (why, verdicts) in ours.unwritten.items():
        ours.faults.append(f"{len(verdicts)} verdicts were not written to {path}: {why}")
    if ours.settings.baseline:
        ours.faults += kept.fallen(ours.settings.baseline, ours.verdicts.values())
    if ours.faults and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _files(session: Session) -> list[Path]:
    return [path for path in (verdicts_file(session), session.settings.verdicts) if path]


def _keep(session: Session, verdicts: Iterable[Verdict]) -> None:
    """Write verdicts; those that cannot be, as on a full disk, are tried again with the next, and at the end."""
    new = {each.id: each for each in verdicts}
    for path in _files(session):
        waiting = session.unwritten.pop(path, ("", {}))[1] | new
        try:
            session.notes += _added(session, path, waiting)
        except (OSError, kept.KeptError) as error:
            if waiting:
                session.unwritten[path] = str(error), waiting


def _added(session: Session, path: Path, waiting: dict[str, Verdict]) -> list[str]:
    """Keep verdicts in a file; one that was damaged meanwhile is set aside and gets all that the session decided."""
    try:
        return kept.keep(path, waiting.values(), session.here, session.settings.replace)
    except kept.NoVerdictsError:
        _set_aside(session, path)
        waiting |= session.verdicts
        return kept.keep(path, waiting.values(), session.here, session.settings.replace)


def _set_aside(session: Session, path: Path) -> None:
    if sentence := kept.set_aside(path):
        session.notes.append(sentence)
        session.runner.announce(sentence)
