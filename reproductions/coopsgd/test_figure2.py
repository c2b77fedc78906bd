"""Section 4.3 and figure 2: what the bound says about tau and zeta."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from algorithms.cooperative import CooperativeSGD
from reproductions.coopsgd import bounds, problems
from reproductions.coopsgd.exact import Array, Quadratic, expected, floor
from reproductions.coopsgd.problems import CIRCLED, complete, descent
from reproductions.harness.decisions import Decision, all_of, close, exactly, searched
from reproductions.harness.descent import Descent, by_setting, repeat
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import within
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.workloads import objectives
from reproductions.workloads.objectives import Gaussian

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Groups = dict[Descent, list[Run]]
Row = tuple[float, float, float, float, float]  # tau, zeta, bound, exact, measured

FLAT = (objectives.Quadratic(0.0), Gaussian(1.0))
TAUS, ZETAS = np.arange(1.0, 101.0), np.linspace(0, 0.99, 100)
BALANCE = np.sqrt(np.sqrt(5) - 2)  # zeta above which a relative change of zeta counts for more


def experiments(settings: Settings) -> list[Descent]:
    """Return the circled settings of figure 2 on a flat objective, where only the disagreement is left."""
    drafts = [descent(f"circled {cell}", member, FLAT, 1.0, max(16, member.tau)) for cell, member in CIRCLED.items()]
    return [run for draft in drafts for run in repeat(draft, settings.seeds)]


@decides("coopsgd-fig2-network-error")
def test_figure2(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    groups = by_setting(runs, Descent)
    _draw(groups, figures)
    cells = {tuple(float(x) for x in cell.strip("()").split(",")): number for cell, number in claim.claim.value.items()}
    tau, zeta = np.array(list(cells)).T
    numbers = close(bounds.network_error(tau, zeta), list(cells.values()), rtol=0, atol=5e-4)
    shares = [_error(run, group) / _bound(run) for run, group in groups.items() if _bound(run) > 0]
    below = searched([2 * share for share in shares], "twice the measured network error at the circled settings")
    text = f"{len(cells)} values of the bound; measured {min(shares):.2f} to {max(shares):.2f} of it"
    claim.decide(all_of(numbers, _follows(groups), below), text, runs)


@decides("coopsgd-bound-monotone")
def test_monotone(claim: Decider) -> None:
    surface = bounds.network_error(TAUS[:, None], ZETAS)
    rises = [np.diff(surface, axis=axis).min() > 0 for axis in (0, 1)]
    # and so does the disagreement itself
    taus = [_limit(complete(8, 0.3, tau=tau)) for tau in (1, 2, 4, 15, 50)]
    zetas = [_limit(complete(8, z, tau=4)) for z in (0.0, 0.5, 0.8, 0.9)]
    rises += [*(np.diff(taus) > 0), *(np.diff(zetas) > 0)]
    claim.decide(exactly(rises, [True] * len(rises)), "tau = 1..100, zeta = 0..0.99, and exact disagreements")


@decides("coopsgd-network-error-zero-sync")
def test_zero(claim: Decider, runs: list[Run]) -> None:
    (synced,) = by_setting(runs, Descent, "circled (1, 0.0)").values()
    disagreement = [run.final("consensus") for run in synced]
    others = bounds.network_error([2, 1, 1.0001], [0, 0.01, 0]) > 0
    zero = close(
        [float(bounds.network_error(1, 0)), *disagreement], np.zeros(1 + len(disagreement)), rtol=0, atol=1e-20
    )
    claim.decide(all_of(zero, exactly(others, [True] * 3)), f"0; {max(disagreement):.0e} in runs", synced)


@decides("coopsgd-fig2-sensitivity")
def test_sensitivity(claim: Decider) -> None:
    tau, zeta = (grid.ravel() for grid in np.meshgrid([1, 2, 4, 15, 50, 100], np.linspace(0.001, 0.999, 999)))
    error = bounds.network_error(tau, zeta) + 1e-300
    by_tau, by_zeta = tau * _slope_in_tau(zeta) / error, zeta * _slope_in_zeta(tau, zeta) / error
    step = 1e-6  # a second time, without the derivatives: both grow by a millionth
    grown = [bounds.network_error(tau * (1 + step), zeta), bounds.network_error(tau, zeta * (1 + step))]
    clear = abs(zeta - BALANCE) > 1e-3
    twice = exactly((grown[0] > grown[1])[clear], (zeta < BALANCE)[clear])
    sizes = exactly((by_tau > by_zeta)[clear], (zeta < BALANCE)[clear])
    absolute = _slope_in_tau(zeta) > _slope_in_zeta(tau, zeta)
    corner = exactly(absolute[zeta > 0.25], np.zeros(int((zeta > 0.25).sum()), dtype=bool))
    printed = exactly(by_tau > by_zeta, np.ones(len(tau), dtype=bool))
    share = float((by_tau > by_zeta).mean())
    text = f"to tau only for zeta < {BALANCE:.4f}, {share:.0%} of the grid"
    claim.decide_erratum(printed, all_of(sizes, twice, corner), text)


@decides("coopsgd-dpsgd-vs-pasgd")
def test_comparison(claim: Decider) -> None:
    tau, zeta = (grid.ravel() for grid in np.meshgrid([2, 3, 4, 10, 15, 50, 100], np.linspace(0, 0.995, 200)))
    threshold = np.sqrt(1 - 2 / (tau + 1))
    clear = abs(zeta - threshold) > 1e-9
    better = bounds.network_error(1, zeta) < bounds.network_error(tau, 0)
    bound = exactly(better[clear], (zeta < threshold)[clear])
    cells = list(product((2, 4, 15), (0.1, 1.0)))
    gains = [
        _limit(complete(8, float(np.sqrt(1 - 2 / (t + 1)))), h) / _limit(complete(8, 0.0, tau=t), h) for t, h in cells
    ]
    exact = searched(gains, "exact network error at zeta_tau over that of PASGD, on quadratics")
    claim.decide(all_of(bound, exact), "if and only if zeta <= zeta_tau")


# ---------------------------------------------------------------------------------------------------- measurement


def _bound(run: Descent) -> float:
    """Return the network error bound over eta^2 L^2 sigma^2; 0 but for rounding is 0."""
    s = problems.setting(run)
    value = float(bounds.network_error(s.tau, s.zeta))
    return value if value > 1e-9 else 0.0


def _error(run: Descent, group: list[Run]) -> float:
    """Return the measured network error E |X_k (I-J)|_F^2 / m over eta^2 sigma^2."""
    return float(problems.measured(group, "consensus", run.steps).mean()) / run.nodes / run.d


def _limit(algorithm: CooperativeSGD, curvature: float = 0.0) -> float:
    """Return the exact network error for K = inf, at eta = 0.2."""
    return floor(algorithm, 0.2, Quadratic(curvature), 1 << 14).consensus / algorithm.workers / 0.2**2


def _follows(groups: Groups) -> Decision:
    """Decide whether runs have the exact network error."""
    decisions = []
    for run, group in groups.items():
        exact = expected(problems.member(run), 1.0, Quadratic(0.0), run.steps).consensus * run.d
        found = problems.measured(group, "consensus", run.steps)
        decisions.append(within(found / exact, 0.95, 1.05) if exact > 1e-9 else close(found, 0 * found, 0, 1e-9))
    return all_of(*decisions)


def _slope_in_tau(zeta: Array) -> Array:
    result: Array = (1 + zeta**2) / (1 - zeta**2)
    return result


def _slope_in_zeta(tau: Array, zeta: Array) -> Array:
    result: Array = 4 * zeta * tau / (1 - zeta**2) ** 2
    return result


# --------------------------------------------------------------------------------------------------------- figure


def _draw(groups: Groups, figures: FigureFolder) -> None:
    """Draw the surface of figure 2 from above, and cuts along both axes with what is measured under them."""
    figure, (surface, along_tau, along_zeta) = panels(3, width=4.4, height=3.6)
    _surface(figure, surface)
    settings = {run: problems.setting(run) for run in groups}
    measured = {(s.tau, s.zeta): _error(run, groups[run]) for run, s in settings.items()}
    rows = [*_cut_tau(along_tau, measured), *_cut_zeta(along_zeta, measured)]
    figures.save("figure2", figure, pd.DataFrame(rows, columns=["tau", "zeta", "bound", "exact", "measured"]))


def _surface(figure: Figure, axis: Axes) -> None:
    from matplotlib.colors import LogNorm

    tau, zeta = np.geomspace(1, 60, 120), np.linspace(0, 0.95, 191)
    values = np.maximum(bounds.network_error(tau[:, None], zeta), 0.1)
    mesh = axis.pcolormesh(zeta, tau, values, norm=LogNorm(), cmap="viridis", rasterized=True)
    lines = axis.contour(zeta, tau, values, levels=[1, 3, 10, 30, 100, 300], colors="white", linewidths=0.7)
    axis.clabel(lines, fontsize=7)
    figure.colorbar(mesh, ax=axis, label="bound / (eta L sigma)^2")
    axis.plot(*np.array([(z, t) for t, z in CIRCLED]).T, "o", ms=8, mfc="none", mec="#D55E00", mew=2, clip_on=False)
    axis.axvline(BALANCE, color="white", ls=":", lw=1.5)
    axis.set(xlabel="zeta", ylabel="tau", yscale="log")
    axis.set_title("bound; circles: figure 3; dots: equal elasticities", fontsize=10)


def _cut_tau(axis: Axes, measured: dict[tuple[int, float], float]) -> list[Row]:
    taus = [1, 2, 4, 8, 15, 30, 50]
    exact = [_limit(complete(8, 0.0, tau=tau)) for tau in taus]
    bound = bounds.network_error(taus, 0)
    dots = {float(tau): error for (tau, zeta), error in measured.items() if zeta < 1e-9}
    _cut(axis, taus, bound, exact, dots)
    axis.set(xlabel="tau", title="zeta = 0 (PASGD), m = 8", ylabel="network error / (eta L sigma)^2")
    return [(t, 0.0, b, e, dots.get(t, np.nan)) for t, b, e in zip(taus, bound, exact, strict=True)]


def _cut_zeta(axis: Axes, measured: dict[tuple[int, float], float]) -> list[Row]:
    zetas = np.linspace(0, 0.93, 32)
    exact = [_limit(complete(8, z)) for z in zetas]
    bound = bounds.network_error(1, zetas)
    dots = {zeta: error for (tau, zeta), error in measured.items() if tau == 1}
    _cut(axis, zetas, bound, exact, dots)
    rings = [zeta for tau, zeta in CIRCLED if tau == 1 and zeta > 0.6]
    axis.plot(rings, [_limit(CIRCLED[1, zeta]) for zeta in rings], "kx", label="exact, rings of 8")
    axis.legend(fontsize=8)
    axis.set(xlabel="zeta", title="tau = 1 (D-PSGD), m = 8")
    rows = [(1.0, float(z), b, e, np.nan) for z, b, e in zip(zetas, bound, exact, strict=True)]
    return rows + [(1.0, z, float(bounds.network_error(1, z)), np.nan, dot) for z, dot in dots.items()]


def _cut(axis: Axes, x: ArrayLike, bound: Array, exact: list[float], dots: Mapping[float, float]) -> None:
    axis.plot(x, bound, "--", color=COLOURS[0], label="bound in (17)")
    axis.plot(x, exact, "-", color=COLOURS[1], label="exact, all eigenvalues 1 or zeta")
    axis.plot(list(dots), list(dots.values()), "ko", mfc="none", label="runs at the settings of figure 3")
    axis.legend(fontsize=8)
