"""Claims decided by hand, to show that a wrong system turns them red."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import reproductions
from reproductions.harness.claims import load_claims
from reproductions.harness.verdicts import Decider, open_verdict


def decider(claim_id: str) -> Decider:
    """Return what decides a claim, named ``<paper>-...``, outside of a session of the plugin."""
    folder = Path(reproductions.__path__[0]) / claim_id.split("-", maxsplit=1)[0]
    claim = load_claims(folder / "claims.yaml")[claim_id]
    return Decider(claim, open_verdict(claim, "smoke", "test"))


def assert_red(claim_id: str, decide: Callable[[Decider], None]) -> None:
    """Assert that a claim deviates."""
    claim = decider(claim_id)
    with pytest.raises(pytest.fail.Exception, match="deviates"):
        decide(claim)
    assert claim.verdict.verdict == "deviates"
