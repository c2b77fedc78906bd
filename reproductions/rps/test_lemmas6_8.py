"""Section 4.2 and appendix D: the moments of the mixing matrices, lemmas 6 to 8, and footnote 1 for other servers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np

from algorithms.rps.servers import ServerAveraging
from reproductions.paper import Decider, Decision, Runs, Settings, agree, all_of, close, decides, exactly, searched
from reproductions.rps import exact
from reproductions.rps.exact import Array, enumerate_moments, enumerate_servers
from reproductions.rps.mixing import MixingMatrices
from reproductions.rps.observed_moments import closed_form, observed

DROPS = (0.01, 0.05, 0.1, 0.2, 0.5)
CELLS = list(product((2, 3, 4), DROPS))  # n and p for which all outcomes can be enumerated
GRID = np.meshgrid(2.0 ** np.arange(1, 11), np.geomspace(1e-9, 0.5, 40), indexing="ij")  # n and p of closed forms
SERVERS, WORKERS = 3, 4  # of figure 1, on machines of their own
OF = {"self_weight": "mean", "alpha1": "second", "alpha2": "averaged"}  # coefficients and the moments they are of
Pairs = list[tuple[Array, Array]]


def experiments(settings: Settings) -> dict[str, list[MixingMatrices]]:
    """Return rounds of unit vectors at every n and p, with n servers on n workers and with servers apart."""
    apart = [MixingMatrices(WORKERS, p, 400, 2, ServerAveraging(SERVERS)) for p in DROPS]
    return {"together": [MixingMatrices(n, p, 200, seed=0) for n, p in CELLS], "apart": apart}


# ------------------------------------------------------------------------------------------------------ identities


@decides("rps-EW-fixes-A")
def test_mixing_keeps_the_average(claim: Decider) -> None:
    averages = [np.full((n, n), 1 / n) for n, _ in CELLS]
    products = [enumerate_moments(n, p).mean @ average for (n, p), average in zip(CELLS, averages, strict=True)]
    _decide_identity(claim, list(zip(products, averages, strict=True)))


@decides("rps-lemma6-structure")
def test_lemma6(claim: Decider) -> None:
    own, other = (closed_form(name)(4, 0.1) for name in ("self_weight", "alpha1"))
    text = f"n = 4, p = 0.1: coefficient {own:.4f}, that of lemma 7 {other:.4f}"
    claim.decide(agree(_structure("self_weight"), rtol=1e-12, atol=1e-14), text)


@decides("rps-eq5-structure")
def test_equation5_of_mixing_matrices(claim: Decider, runs: Runs[MixingMatrices]) -> None:
    _decide_identity(claim, _structure("alpha1"), "alpha1", runs.only("together"))


@decides("rps-eq6-structure")
def test_equation6_of_mixing_matrices(claim: Decider, runs: Runs[MixingMatrices]) -> None:
    _decide_identity(claim, _structure("alpha2"), "alpha2", runs.only("together"))


@decides("rps-alpha1-exact-enumeration")
def test_alpha1(claim: Decider, runs: Runs[MixingMatrices]) -> None:
    used = runs.only("together")
    text = f"n = 4, p = 0.1: {closed_form('alpha1')(4, 0.1):.6f}"
    claim.decide(all_of(_enumerated("alpha1"), observed(used.all, "alpha1")), text, used)


@decides("rps-alpha2-exact-enumeration")
def test_alpha2(claim: Decider, runs: Runs[MixingMatrices]) -> None:
    used = runs.only("together")
    text = f"n = 4, p = 0.1: {closed_form('alpha2')(4, 0.1):.6f}"
    claim.decide(all_of(_enumerated("alpha2"), observed(used.all, "alpha2")), text, used)


@decides("rps-footnote1-any-servers")
def test_servers_unlike_workers(claim: Decider, runs: Runs[MixingMatrices]) -> None:
    cells = [(n, p) for n in (2, 3, 4) for p in DROPS]
    pairs = [(moment, _mixture(n, _weight(moment))) for n, p in cells for moment in enumerate_servers(n, p)]
    weights = [[_weight(moment) for moment in enumerate_servers(n, p)] for n, p in cells]
    ordered = [0 < alpha2 < alpha1 < 1 for _, alpha1, alpha2 in weights]
    used = runs.only("apart")
    messages = [observed(used.all, name, _apart(moment)) for name, moment in OF.items() if name != "self_weight"]
    form = agree(pairs, rtol=1e-12, atol=1e-14)
    alpha1, alpha2 = (_apart(OF[name])(WORKERS, 0.1) for name in ("alpha1", "alpha2"))
    text = f"{SERVERS} servers, {WORKERS} workers, p = 0.1: alpha_1 = {alpha1:.4f}, alpha_2 = {alpha2:.4f}"
    claim.decide(all_of(*messages, form, exactly(ordered, [True] * len(ordered))), text, used)


# ------------------------------------------------------------------------------------------------ printed formulas


@decides("rps-lemma7-printed-alpha1")
def test_printed_lemma7(claim: Decider) -> None:
    formula, true = (np.array([closed_form(name)(n, p) for n, p in CELLS]) for name in ("printed_alpha1", "alpha1"))
    printed = exactly(formula >= true, np.ones(len(CELLS), bool))  # as a bound, which is less than an equality
    small = [closed_form(name)(2, 0.1) for name in ("printed_alpha1", "alpha1")]
    text = f"n = 2, p = 0.1: printed {small[0]:.4f}, exact {small[1]:.4f}"
    claim.decide_erratum(printed, _enumerated("alpha1"), text)


@decides("rps-lemma8-printed-alpha2")
def test_printed_lemma8(claim: Decider) -> None:
    formula, true = (np.array([closed_form(name)(n, p) for n, p in CELLS]) for name in ("printed_alpha2", "alpha2"))
    wide = searched((exact.alpha2(*GRID) / exact.printed_alpha2(*GRID)).ravel(), "exact alpha_2 over the formula")
    readings = {
        "bound": all_of(_enumerated("alpha2"), wide),
        "equality": close(formula, true, rtol=1e-9, atol=0),
    }
    small = [closed_form(name)(4, 1e-6) for name in ("printed_alpha2", "alpha2")]
    text = f"n = 4, p = 1e-6: printed {small[0]:.4f}, exact {small[1]:.1e}"
    claim.decide_readings(readings, text)


@decides("rps-alpha2-order-shown")
def test_order_by_the_printed_formula(claim: Decider) -> None:
    n, p = GRID
    formula, true = (moment(n, p) * n / (p * (1 - p)) for moment in (exact.printed_alpha2, exact.alpha2))
    where = "over 3 p (1 - p)/n, n to 1,024, p from 1e-9"
    printed = searched([formula.max() / 3], f"formula of lemma 8 {where}")
    corrected = searched((true / 3).ravel(), f"exact alpha_2 {where}")
    claim.decide_erratum(printed, corrected, f"formula up to {formula.max():.1e}, exact up to {true.max():.2f}")


@decides("rps-lemma8-T3")
def test_coefficient_of_t3(claim: Decider) -> None:
    cells = [(n, p) for n in (3, 4, 5, 8) for p in DROPS]
    sums = [_bounded(n, p) for n, p in cells]
    rest = np.array([1 - p ** (n - 1) - (1 - p) ** (n - 1) for n, p in cells])
    factors = np.array([n / (n - 1) for n, _ in cells])
    proof, statement = close(rest / factors, sums, rtol=1e-12, atol=0), close(rest * factors, sums, rtol=1e-12, atol=0)
    claim.decide_misprint(proof, statement, f"factor of the sum at n = 3: {sums[0] / rest[0]:.3f}")


@decides("rps-facts-1-2")
def test_binomial_facts(claim: Decider) -> None:
    pairs = [(n, m) for n in range(1, 30) for m in range(n + 1)]
    left = [Fraction(comb(n, m), m + 1) for n, m in pairs] + [Fraction(comb(n, m), (m + 1) * (m + 2)) for n, m in pairs]
    right = [Fraction(comb(n + 1, m + 1), n + 1) for n, m in pairs]
    right += [Fraction(comb(n + 2, m + 2), (n + 1) * (n + 2)) for n, m in pairs]
    equal = [a == b for a, b in zip(left, right, strict=True)]
    claim.decide(exactly(equal, [True] * len(equal)), f"{sum(equal)} of {len(equal)} equations hold, n < 30")


# -------------------------------------------------------------------------------------------------------- details


def _decide_identity(claim: Decider, pairs: Pairs, name: str = "", used: Runs[MixingMatrices] | tuple[()] = ()) -> None:
    """Decide that both sides of all pairs are equal and, with runs, that real messages have the moment `name`."""
    messages = [observed(used.all, name)] if isinstance(used, Runs) else []
    off = max(float(abs(left - right).max()) for left, right in pairs)
    claim.decide(all_of(*messages, agree(pairs, rtol=1e-12, atol=1e-14)), f"both sides differ by {off:.1g}", used)


def _structure(coefficient: str) -> Pairs:
    """Return both sides of E[...] = c I + (1 - c) A_n, by enumeration and with the closed form of c."""
    return [
        (getattr(enumerate_moments(n, p), OF[coefficient]), _mixture(n, closed_form(coefficient)(n, p)))
        for n, p in CELLS
    ]


def _enumerated(coefficient: str) -> Decision:
    """Decide whether a closed form equals the enumeration of all outcomes."""
    enumerated = [_weight(getattr(enumerate_moments(n, p), OF[coefficient])) for n, p in CELLS]
    return close([closed_form(coefficient)(n, p) for n, p in CELLS], enumerated, rtol=1e-12, atol=1e-14)


def _apart(moment: str) -> Callable[[int, float], float]:
    """Return the coefficient of a moment for servers that are no workers, by enumeration."""
    return lambda n, p: _weight(getattr(enumerate_servers(n, p), moment))


def _mixture(n: int, c: float) -> Array:
    mixture: Array = c * np.eye(n) + (1 - c) / n
    return mixture


def _weight(moment: Array) -> float:
    """Return c of c I + (1 - c) A_n, from the trace."""
    return float((np.trace(moment) - 1) / (len(moment) - 1))


def _bounded(n: int, p: float) -> float:
    """Return n times what the proof bounds, sum_{m <= n-3} C(n-2, m) q^(m+1) p^(n-2-m) / (m+1)."""
    q = 1 - p
    return n * sum(comb(n - 2, m) * q ** (m + 1) * p ** (n - 2 - m) / (m + 1) for m in range(n - 2))
