"""What the report of a test says of its claim: properties for ``--junitxml``, and the claim in the reason of a skip."""

from __future__ import annotations

import errno

import pytest

from reproductions.harness.verdicts.claims import Claim
from reproductions.harness.verdicts.record import Verdict

SHORT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def properties(claim: Claim, verdict: Verdict) -> list[tuple[str, object]]:
    """Return what ``--junitxml`` writes beside a test: claim, verdict, scale, reported, found and interval."""
    given = {
        "claim": claim.id,
        "verdict": verdict.verdict,
        "scale": verdict.scale,
        "reported": claim.reported,
        "found": verdict.found,
        "interval": "" if verdict.interval is None else "[{:.6g}, {:.6g}]".format(*verdict.interval),
    }
    return [(name, value) for name, value in given.items() if value]


def name_claim(report: pytest.TestReport, claim: str) -> None:
    """Put the claim before the reason of a skip, which pytest shows without the name of the test."""
    if report.skipped and isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        if claim not in reason:
            report.longrepr = path, line, reason.replace("Skipped: ", f"Skipped: {claim}: ", 1)


def shorten(report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Say of a disk that is full or closed only that, where pytest shows the source that wrote to it."""
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, OSError) and error.errno in SHORT:
        report.longrepr = f"{error.filename or 'a file'} cannot be used: {error.strerror}"
