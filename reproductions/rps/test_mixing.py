"""Section 4.2 and appendix D: the moments of the mixing matrices, lemmas 6 to 8 and figures 2 and 3."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pandas as pd

from algorithms import rps_mixing
from reproductions.harness.decisions import Decision, Interval, all_of, close, exactly
from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import mean_interval, within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.mixing import MixingMatrices

NODES = (2, 3, 4)  # where the raw claims give numbers, and where all outcomes can be enumerated
DROPS = (0.01, 0.05, 0.1, 0.2, 0.5)
PLOTTED = (2, 4, 8, 16)
CONFIDENCE = 0.999
SMALL = list(product(NODES, DROPS))
N_GRID, P_GRID = np.meshgrid([2, 3, 4, 8, 16, 64, 256, 512], np.linspace(0.001, 0.999, 999), indexing="ij")


def experiments(settings: Settings) -> list[MixingMatrices]:
    """Return rounds of unit vectors for every n and p of the figures."""
    return [MixingMatrices(n, p, 200, seed=0) for n in sorted({*NODES, *PLOTTED}) for p in DROPS]


def _cell(run: Run) -> tuple[int, float]:
    experiment = run.experiment
    assert isinstance(experiment, MixingMatrices)
    return experiment.nodes, experiment.p


def _simulated(runs: list[Run], name: str) -> Decision:
    """Decide whether the exact moment lies in the interval of the simulated one in every cell."""
    exact = getattr(rps_mixing, name)
    cells = [(mean_interval(run.series(name).to_numpy(), CONFIDENCE), float(exact(*_cell(run)))) for run in runs]
    misses = [(interval, value) for interval, value in cells if not interval.low <= value <= interval.high]
    interval = (misses or cells)[-1][0]
    # 1 of 1000 intervals misses by chance; two of the 25 cells would be a sign of something else
    found = f"exact {name} outside of the interval of real messages in {len(misses)} of {len(cells)} cells"
    return Decision("holds" if len(misses) <= 1 else "fails", interval, found)


def _enumerated(name: str) -> Decision:
    """Decide whether a closed form equals the enumeration of all outcomes."""
    moments = {"alpha1": "second", "alpha2": "averaged", "self_weight": "mean"}[name]
    trace = [np.trace(getattr(rps_mixing.enumerate_moments(n, p), moments)) for n, p in SMALL]
    enumerated = [(tr - 1) / (n - 1) for tr, (n, _) in zip(trace, SMALL, strict=True)]
    return close([float(getattr(rps_mixing, name)(n, p)) for n, p in SMALL], enumerated, rtol=1e-12, atol=1e-14)


def _structure(moment: str, coefficient: str) -> Decision:
    """Decide E[...] = c I + (1 - c) A_n with the closed form of c, by enumeration."""
    got, wanted = [], []
    for n, p in SMALL:
        c = float(getattr(rps_mixing, coefficient)(n, p))
        got.append(getattr(rps_mixing.enumerate_moments(n, p), moment).ravel())
        wanted.append((c * np.eye(n) + (1 - c) / n).ravel())
    return close(np.concatenate(got), np.concatenate(wanted), rtol=1e-12, atol=1e-14)


@decides("rps-EW-fixes-A")
def test_mean_fixes_the_average(claim: Decider) -> None:
    products = [rps_mixing.enumerate_moments(n, p).mean @ np.full((n, n), 1 / n) for n, p in SMALL]
    wanted = np.concatenate([np.full(n * n, 1 / n) for n, _ in SMALL])
    claim.decide(close(np.concatenate([m.ravel() for m in products]), wanted, rtol=1e-12, atol=0), "E[W] A_n = A_n")


@decides("rps-lemma6-structure")
def test_lemma6(claim: Decider) -> None:
    coefficients = [[float(c(n, p)) for n, p in SMALL] for c in (rps_mixing.self_weight, rps_mixing.alpha1)]
    same_symbol = close(coefficients[0], coefficients[1], rtol=1e-9, atol=0)
    claim.decide_erratum(
        same_symbol, _structure("mean", "self_weight"), "a I + (1 - a) A_n, a unlike alpha_1 of lemma 7"
    )


@decides("rps-eq5-structure")
def test_equation5(claim: Decider, runs: list[Run]) -> None:
    claim.decide(all_of(_structure("second", "alpha1"), _simulated(runs, "alpha1")), "holds exactly", runs)


@decides("rps-eq6-structure")
def test_equation6(claim: Decider, runs: list[Run]) -> None:
    claim.decide(all_of(_structure("averaged", "alpha2"), _simulated(runs, "alpha2")), "holds exactly", runs)


@decides("rps-alpha1-exact-enumeration")
def test_alpha1(claim: Decider, runs: list[Run]) -> None:
    found = f"n=4, p=0.1: {float(rps_mixing.alpha1(4, 0.1)):.6f}"
    claim.decide(all_of(_enumerated("alpha1"), _simulated(runs, "alpha1")), found, runs)


@decides("rps-alpha2-exact-enumeration")
def test_alpha2(claim: Decider, runs: list[Run]) -> None:
    found = f"n=4, p=0.1: {float(rps_mixing.alpha2(4, 0.1)):.6f}"
    claim.decide(all_of(_enumerated("alpha2"), _simulated(runs, "alpha2")), found, runs)


@decides("rps-alpha-ordering")
def test_ordering_of_alphas(claim: Decider) -> None:
    n, p = N_GRID[:-1], P_GRID[:-1]  # up to n = 256
    first, second = rps_mixing.alpha1(n, p), rps_mixing.alpha2(n, p)
    claim.decide(exactly((second > 0) & (second < first) & (first < 1), np.ones(n.shape, bool)), "holds on the grid")


@decides("rps-lemma7-printed-alpha1")
def test_printed_lemma7(claim: Decider) -> None:
    exact = [float(rps_mixing.alpha1(n, p)) for n, p in SMALL]
    printed = close([float(rps_mixing.printed_alpha1(n, p)) for n, p in SMALL], exact, rtol=1e-9, atol=0)
    at = f"printed {float(rps_mixing.printed_alpha1(2, 0.1)):.4f}, exact {float(rps_mixing.alpha1(2, 0.1)):.4f}"
    claim.decide_erratum(printed, _enumerated("alpha1"), f"{at} (n=2, p=0.1)")


@decides("rps-lemma8-printed-alpha2")
def test_printed_lemma8(claim: Decider) -> None:
    exact = np.array([float(rps_mixing.alpha2(n, p)) for n, p in SMALL])
    printed = np.array([float(rps_mixing.printed_alpha2(n, p)) for n, p in SMALL])
    bounds = exactly(printed >= exact, np.ones(len(SMALL), bool))
    found = f"printed {printed[-5]:.4f}, exact {exact[-5]:.5f} (n=4, p=0.01)"
    claim.decide_erratum(close(printed, exact, rtol=1e-9, atol=0), all_of(_enumerated("alpha2"), bounds), found)


@decides("rps-lemma8-T3")
def test_coefficient_of_t3(claim: Decider) -> None:
    # what the proof bounds: sum_{m <= n-3} C(n-2, m) q^(m+1) p^(n-2-m) / (m+1), before it is multiplied by n
    def bounded(n: int, p: float) -> float:
        q = 1 - p
        return sum(comb(n - 2, m) * q ** (m + 1) * p ** (n - 2 - m) / (m + 1) for m in range(n - 2)) * n

    def form(n: int, p: float, factor: float) -> float:
        return factor * (1 - p ** (n - 1) - (1 - p) ** (n - 1))

    cells = [(n, p) for n in (3, 4, 5, 8) for p in DROPS]
    sums = [bounded(n, p) for n, p in cells]
    proof = close([form(n, p, (n - 1) / n) for n, p in cells], sums, rtol=1e-12, atol=0)
    statement = close([form(n, p, n / (n - 1)) for n, p in cells], sums, rtol=1e-12, atol=0)
    claim.decide_erratum(proof, statement, "n/(n-1)")


@decides("rps-facts-1-2")
def test_binomial_facts(claim: Decider) -> None:
    pairs = [(n, m) for n in range(1, 30) for m in range(n + 1)]
    left = [Fraction(comb(n, m), m + 1) for n, m in pairs] + [Fraction(comb(n, m), (m + 1) * (m + 2)) for n, m in pairs]
    right = [Fraction(comb(n + 1, m + 1), n + 1) for n, m in pairs]
    right += [Fraction(comb(n + 2, m + 2), (n + 1) * (n + 2)) for n, m in pairs]
    equal = [a == b for a, b in zip(left, right, strict=True)]
    claim.decide(exactly(equal, [True] * len(equal)), "both identities hold for n < 30")


@decides("rps-alpha2-order")
def test_order_of_alpha2(claim: Decider) -> None:
    ratio = rps_mixing.alpha2(N_GRID, P_GRID) * N_GRID / (P_GRID * (1 - P_GRID))
    claim.decide(within(_range(ratio), 0, 3), f"{ratio.min():.2f} to {ratio.max():.2f}")


@decides("rps-beta-order")
def test_order_of_beta(claim: Decider) -> None:
    ratio = rps_mixing.beta(N_GRID, P_GRID) / P_GRID
    claim.decide(within(_range(ratio), 0, 2), f"{ratio.min():.2f} to {ratio.max():.2f}")


def _range(values: np.ndarray) -> Interval:
    return Interval(float(values.max()), float(values.min()), float(values.max()), 1.0, values.size)


@decides("rps-fig2-alpha2-vs-n-p")
def test_figure2(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    _plot(runs, figures, "figure2", "alpha2", r"$\alpha_2$")
    falls = np.diff(rps_mixing.alpha2(N_GRID, P_GRID), axis=0) < 0
    ends = rps_mixing.alpha2(np.array([2, 16, 256]), np.array([[0.0], [1.0]]))
    exact = all_of(exactly(falls, np.ones_like(falls)), exactly(ends, np.zeros_like(ends)))
    claim.decide(all_of(exact, _simulated(runs, "alpha2")), "decreasing in n, 0 at p = 0 and p = 1", runs)


@decides("rps-fig3-beta-vs-n-p")
def test_figure3(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    _plot(runs, figures, "figure3", "beta", r"$\alpha_1 - \alpha_2$")
    half = P_GRID[0] <= 0.5
    beta = rps_mixing.beta(N_GRID, P_GRID)[:, half]
    rises, inside = np.diff(beta, axis=1) > 0, (beta > 0) & (beta < 1)
    exact = all_of(exactly(rises, np.ones_like(rises)), exactly(inside, np.ones_like(inside)))
    claim.decide(
        all_of(exact, _simulated(runs, "alpha1"), _simulated(runs, "alpha2")), "increasing in p, in (0, 1)", runs
    )


def _plot(runs: list[Run], figures: FigureFolder, name: str, moment: str, symbol: str) -> None:
    """Draw exact curves over p for several n, and the means of real messages over them."""
    figure, (axis,) = panels(1, width=5.0, height=3.6)
    rows = []
    p = np.linspace(0, 0.6, 121)
    for n in PLOTTED:
        line = axis.plot(p, getattr(rps_mixing, moment)(n, p), label=f"n = {n}")[0]
        cells = [run for run in runs if _cell(run)[0] == n]
        means = [_mean(run, moment) for run in cells]
        axis.plot([_cell(run)[1] for run in cells], means, "o", ms=4, color=line.get_color())
        rows += [
            {"n": n, "p": _cell(run)[1], "simulated": mean, "exact": float(getattr(rps_mixing, moment)(*_cell(run)))}
            for run, mean in zip(cells, means, strict=True)
        ]
    frame = pd.DataFrame(rows)
    if moment == "alpha2":
        frame["printed_lemma8"] = rps_mixing.printed_alpha2(frame["n"].to_numpy(), frame["p"].to_numpy())
    axis.set(xlabel="drop rate p", ylabel=symbol, title="exact (lines), real messages (dots)")
    axis.legend()
    figures.save(name, figure, frame)


def _mean(run: Run, moment: str) -> float:
    if moment == "beta":
        return _mean(run, "alpha1") - _mean(run, "alpha2")
    return float(run.series(moment).mean())
