"""Terms: how much of each term of a bound exact cases need, so that one that could as well be missing is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reproductions.paper import Decision, searched


class ExactCase(NamedTuple):
    """An exact left-hand side of a bound, the bound, and its terms by name."""

    left: float
    bound: float
    terms: Mapping[str, float]


def by_terms(cases: Sequence[ExactCase], where: str) -> tuple[Decision, dict[str, float]]:
    """Decide a bound on exact cases; return also the largest share of each term without which one of them violates it.

    Parameters
    ----------
    cases
        They have terms of the same names; one that is 0 in all of them is needed by none.
    where
        Which cases these are, for the explanation.
    """
    shares = {
        name: max([1 - (each.bound - each.left) / each.terms[name] for each in cases if each.terms[name] > 0] + [0.0])
        for name in cases[0].terms
    }
    return searched([each.left / each.bound for each in cases], where), shares
