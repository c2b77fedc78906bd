"""Section 4.3 and figure 2: what the bound says about tau and zeta."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.topology import metropolis, zeta
from reproductions.coopsgd import bounds, problems
from reproductions.coopsgd.exact import Array, Parabola, floor
from reproductions.coopsgd.problems import CIRCLED, Group, complete, descent
from reproductions.experiments.descent import Descent, seeded
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    exactly,
    panels,
    searched,
)
from reproductions.workloads import objectives
from reproductions.workloads.objectives import Gaussian

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Circled = tuple[int, float]
Row = tuple[float, float, float, float, float]  # tau, zeta, bound, exact, measured

FLAT = (objectives.Quadratic(0.0), Gaussian(1.0))
TAUS, ZETAS = np.arange(1.0, 101.0), np.linspace(0, 0.9, 91)  # what figure 2 is read to show
GRID = [grid.ravel() for grid in np.meshgrid([1, 2, 4, 15, 50, 100], np.linspace(0.001, 0.999, 999))]  # tau and zeta
BALANCE = np.sqrt(np.sqrt(5) - 2)  # zeta above which a relative change of zeta counts for more


def experiments(settings: Settings) -> dict[Circled, list[Descent]]:
    """Return the circled settings of figure 2 on a flat objective, where only the disagreement is left."""
    drafts = {circled: descent(member, FLAT, 1.0, max(16, member.tau)) for circled, member in CIRCLED.items()}
    return {circled: seeded(draft, settings.seeds) for circled, draft in drafts.items()}


@decides("coopsgd-fig2-network-error")
def test_figure2(claim: Decider, runs: Runs[Descent], figures: FigureFolder) -> None:
    _draw(figures, runs)
    shares = [_error(group) / _bound(group) for group in runs.values() if _bound(group) > 0]
    below = searched([2 * share for share in shares], "twice the measured network error at the circled settings")
    text = f"measured {min(shares):.2f} to {max(shares):.2f} of the bound at {len(shares)} settings"
    claim.decide(all_of(_follows(runs), below), text, runs=runs)


@decides("coopsgd-sparser-zeta")
def test_a_sparser_matrix_has_a_larger_zeta(claim: Decider) -> None:
    connected = [graph for graph in nx.graph_atlas_g() if len(graph) > 2 and nx.is_connected(graph)]
    found = pd.DataFrame(
        [(len(graph), graph.number_of_edges(), zeta(metropolis(graph))) for graph in connected],
        columns=["m", "edges", "zeta"],
    )
    falls = found.groupby(["m", "edges"])["zeta"].mean().groupby("m").diff().dropna()
    pairs = found.merge(found, on="m").query("edges_x < edges_y")
    larger = (pairs["zeta_x"] > pairs["zeta_y"]).to_numpy()
    readings = {
        "on average": exactly((falls < 0).to_numpy(), np.ones(len(falls), bool)),
        "always": exactly(larger, np.ones(len(larger), bool)),
    }
    claim.decide_readings(readings, f"larger in {larger.mean():.0%} of {len(larger)} pairs of graphs")


@decides("coopsgd-bound-monotone")
def test_monotone(claim: Decider) -> None:
    surface = bounds.network_error(TAUS[:, None], ZETAS)
    rises = [np.diff(surface, axis=axis).min() > 0 for axis in (0, 1)]
    # and so does the disagreement itself
    taus = [_limit(complete(8, 0.3, tau=tau)) for tau in (1, 2, 4, 15, 50)]
    zetas = [_limit(complete(8, z, tau=4)) for z in (0.0, 0.5, 0.8, 0.9)]
    rises += [*(np.diff(taus) > 0), *(np.diff(zetas) > 0)]
    smallest = min(np.diff(surface, axis=axis).min() for axis in (0, 1))
    text = f"smallest step up {smallest:.3g}; exact disagreement from {taus[0]:.3g} to {taus[-1]:.3g} along tau"
    claim.decide(exactly(rises, [True] * len(rises)), text)


@decides("coopsgd-network-error-zero-sync")
def test_zero(claim: Decider, runs: Runs[Descent]) -> None:
    synced = runs.only((1, 0.0))
    disagreement = runs.final("consensus", (1, 0.0))
    others = bounds.network_error([2, 1, 1.0001], [0, 0.01, 0]) > 0
    zero = close(
        [float(bounds.network_error(1, 0)), *disagreement], np.zeros(1 + len(disagreement)), rtol=0, atol=1e-20
    )
    claim.decide(all_of(zero, exactly(others, [True] * 3)), f"{max(disagreement):.0e} in runs", runs=synced)


@decides("coopsgd-fig2-sensitivity")
def test_sensitivity(claim: Decider) -> None:
    corners = bounds.network_error([[TAUS[0]], [TAUS[-1]]], [ZETAS[0], ZETAS[-1]])  # of figure 2, (tau, zeta)
    along_tau, along_zeta = np.diff(corners, axis=0)[0], np.diff(corners, axis=1)[:, 0]
    exact = [_limit(CIRCLED[circled]) - _limit(CIRCLED[1, 0.0]) for circled in ((50, 0.0), (1, 0.9024))]
    readings = {
        "over the figure": all_of(exactly(along_tau > along_zeta, [True] * 2), exactly([exact[0] > exact[1]], [True])),
        "per cent for per cent": _by_elasticities(),
    }
    rises = [f"{tau:.1f} along tau, {zeta:.1f} along zeta" for tau, zeta in zip(along_tau, along_zeta, strict=True)]
    text = f"the bound rises by {rises[0]}, with the other at its largest by {rises[1]}; {_more_elastic().mean():.0%}"
    claim.decide_readings(readings, f"{text} of the grid more elastic in tau")


def _by_elasticities() -> Decision:
    """Decide that a per cent of tau changes the bound by more than a per cent of zeta, wherever it is."""
    return exactly(_more_elastic(), np.ones(len(GRID[0]), dtype=bool))


def _more_elastic() -> NDArray[np.bool_]:
    """Return where the elasticity in tau is the larger one, by derivatives, on `GRID`."""
    tau, zeta = GRID
    error = bounds.network_error(tau, zeta) + 1e-300
    return np.asarray(tau * _slope_in_tau(zeta) / error > zeta * _slope_in_zeta(tau, zeta) / error)


def test_elasticities_balance_at_one_zeta_whatever_tau_is() -> None:
    """The note on the claim: by derivatives, and by changes of a millionth."""
    tau, zeta = GRID
    clear, step = abs(zeta - BALANCE) > 1e-3, 1e-6
    grown = [bounds.network_error(tau * (1 + step), zeta), bounds.network_error(tau, zeta * (1 + step))]
    assert np.array_equal((grown[0] > grown[1])[clear], (zeta < BALANCE)[clear])
    assert np.array_equal(_more_elastic()[clear], (zeta < BALANCE)[clear])


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
    text = f"thresholds {threshold.min():.3f} to {threshold.max():.3f}; there exact errors {min(gains):.2f} to "
    claim.decide(all_of(bound, exact), f"{text}{max(gains):.2f} of PASGD's")


# ---------------------------------------------------------------------------------------------------- measurement


def _bound(group: Group) -> float:
    """Return the network error bound over eta^2 L^2 sigma^2; 0 but for rounding is 0."""
    s = problems.assumptions(group[0].experiment)
    value = float(bounds.network_error(s.tau, s.zeta))
    return value if value > 1e-9 else 0.0


def _error(group: Group) -> float:
    """Return the measured network error E |X_k (I-J)|_F^2 / m over eta^2 sigma^2."""
    run = group[0].experiment
    return float(problems.measured(group, "consensus", run.steps).mean()) / run.nodes / run.d


def _limit(algorithm: CooperativeSGD, curvature: float = 0.0) -> float:
    """Return the exact network error for K = inf, at eta = 0.2."""
    return floor(algorithm, 0.2, Parabola(curvature), 1 << 14).consensus / algorithm.workers / 0.2**2


def _follows(runs: Runs[Descent]) -> Decision:
    """Decide whether runs have the exact network error."""
    decisions = []
    for group in runs.values():
        run = group[0].experiment
        exact = problems.expected(run, run.steps).consensus
        found = problems.measured(group, "consensus", run.steps)
        decisions.append(problems.near(found / exact) if exact > 1e-9 else close(found, 0 * found, 0, 1e-9))
    return all_of(*decisions)


def _slope_in_tau(zeta: Array) -> Array:
    return np.asarray((1 + zeta**2) / (1 - zeta**2))


def _slope_in_zeta(tau: Array, zeta: Array) -> Array:
    return np.asarray(4 * zeta * tau / (1 - zeta**2) ** 2)


# --------------------------------------------------------------------------------------------------------- figure


def _draw(figures: FigureFolder, runs: Runs[Descent]) -> None:
    """Draw the surface of figure 2 from above, and cuts along both axes with what is measured under them."""
    figure, (surface, along_tau, along_zeta) = panels(3, width=4.4, height=3.6)
    _surface(figure, surface)
    measured = dict(_measured(group) for group in runs.values())
    rows = [*_cut_tau(along_tau, measured), *_cut_zeta(along_zeta, measured)]
    figures.save("figure2", figure, pd.DataFrame(rows, columns=["tau", "zeta", "bound", "exact", "measured"]))


def _measured(group: Group) -> tuple[Circled, float]:
    s = problems.assumptions(group[0].experiment)
    return (s.tau, s.zeta), _error(group)


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
    axis.set_title("bound; circles: figure 3; dots: equal elasticities")


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
    axis.set(xlabel="zeta", title="tau = 1 (D-PSGD), m = 8", ylabel="network error / (eta L sigma)^2")
    rows = [(1.0, float(z), b, e, np.nan) for z, b, e in zip(zetas, bound, exact, strict=True)]
    return rows + [(1.0, z, float(bounds.network_error(1, z)), np.nan, dot) for z, dot in dots.items()]


def _cut(axis: Axes, x: ArrayLike, bound: Array, exact: list[float], dots: Mapping[float, float]) -> None:
    axis.plot(x, bound, "--", color=COLOURS[0], label="bound in (17)")
    axis.plot(x, exact, "-", color=COLOURS[1], label="exact, all eigenvalues 1 or zeta")
    axis.plot(list(dots), list(dots.values()), "ko", mfc="none", label="runs at the settings of figure 3")
    axis.legend(fontsize=8)
