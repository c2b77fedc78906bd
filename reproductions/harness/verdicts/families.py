"""Families: the random claims of one figure or table, which are tested together at one level.

Each is decided at its share of the level as its test ends. At the end of the session Holm's step-down procedure spends
what the decided ones leave over, and so decides some that were inconclusive. It is taken to hold for the direction too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from reproductions.harness.verdicts.claims import Claim
from reproductions.harness.verdicts.decisions import Decision
from reproductions.harness.verdicts.places import arabic, places
from reproductions.harness.verdicts.power import holm
from reproductions.harness.verdicts.record import stepped
from reproductions.harness.verdicts.verdict import ALPHA, Decider


def family(claim: Claim) -> str:
    """Return the figure or table that a random claim is about; the claim alone if it is neither.

    A claim is random if it says its resolution.
    """
    drawn = [place for place in places(claim.source) if place[0] in ("Figure", "Table")]
    if claim.resolution is None or not drawn:
        return claim.id
    kind, numbers = drawn[0]
    return f"{claim.paper} {kind} {arabic(kind, numbers[0])}"


def sizes(claims: Iterable[Claim]) -> dict[str, int]:
    """Return, for every claim of a paper, how many are tested together with it, itself included."""
    families = {claim.id: family(claim) for claim in claims}
    count = Counter(families.values())
    return {name: count[figure] for name, figure in families.items()}


def step_down(deciders: Iterable[Decider]) -> list[Decider]:
    """Decide what is inconclusive at its own level but not by Holm's procedure; return the deciders that it changed.

    Claims of a family that were not tested count as tests that show nothing.
    """
    groups: dict[str, list[Decider]] = {}
    for decider in deciders:
        if decider.p is not None:
            groups.setdefault(family(decider.claim), []).append(decider)
    return [decider for group in groups.values() for decider in _decided(group)]


def _decided(group: list[Decider]) -> list[Decider]:
    tests = max(group[0].family, len(group))
    p = [*(decider.p or 0.0 for decider in group), *[1.0] * (tests - len(group))]
    found = []
    for decider, adjusted in zip(group, holm(p), strict=False):
        decision = decider.decision
        if decision is not None and decision.outcome == "inconclusive" and adjusted < ALPHA:
            decider.settle(_decided_by_holm(decision, tests))
            found.append(decider)
    return found


def _decided_by_holm(decision: Decision, tests: int) -> Decision:
    assert decision.p_holds is not None
    assert decision.p_fails is not None
    sentence = stepped(decision.explanation, tests)
    return replace(decision, outcome="holds" if decision.p_holds < decision.p_fails else "fails", explanation=sentence)
