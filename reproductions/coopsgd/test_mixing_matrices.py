"""Sections 4.3, 5.1, 5.2 and 6.2: zeta of mixing matrices, lemmas 1, 2, 9 and 10, equations (20) and (22)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd

from algorithms import elastic
from algorithms.cooperative import CooperativeSGD
from algorithms.streams import stream
from algorithms.topology import (
    Matrix,
    complete,
    lazy,
    metropolis,
    random_regular,
    ring,
    star,
    torus,
    uniform,
    value,
    zeta,
)
from reproductions.coopsgd import bounds, equations
from reproductions.coopsgd.exact import Array, Quadratic, floor
from reproductions.harness.decisions import Decision, all_of, close, exactly
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.statistics import slope_interval, within
from reproductions.harness.verdicts import Decider

WORKERS = (2, 3, 4, 7, 8, 16, 32)
GRAPHS: dict[str, Matrix] = {
    **{f"ring of {m}": uniform(ring(m)) for m in (3, 4, 5, 7, 8, 16, 32)},
    **{f"lazy ring of {m}": lazy(uniform(ring(m))) for m in (4, 8, 9)},
    "bipartite": np.array([[0.0, 1.0], [1.0, 0.0]]),  # lambda_m = -1
    "nobody talks": np.eye(5),
    "complete": uniform(complete(6)),
    "star": metropolis(star(7)),
    "torus": uniform(torus(3, 4)),
    "random regular": uniform(random_regular(10, 3, seed=0)),
}


def second(mixing: Matrix) -> float:
    """Return max(abs(lambda_2), abs(lambda_n)) from the sorted eigenvalues, as the paper defines zeta."""
    eigenvalues = np.linalg.eigvalsh(mixing)
    return float(max(abs(eigenvalues[-2]), abs(eigenvalues[0])))


@decides("coopsgd-zeta-extremes")
def test_extremes(claim: Decider) -> None:
    sizes = (2, 3, 8, 9)
    found = [zeta(matrix) for n in sizes for matrix in (np.eye(n), np.full((n, n), 1 / n))]
    numbers = close(found, [1.0, 0.0] * len(sizes), rtol=0, atol=1e-12)
    # what the matrices do: with W = I every worker descends alone, with W = J all models are one
    silent = CooperativeSGD(1, value(np.eye(equations.M)), diverges=True)
    alone = equations.trajectory(silent)[-1].numpy()
    by_hand = equations.CENTRES.numpy() * (1 - (1 - equations.ETA / 2) ** equations.STEPS)
    synced = equations.trajectory(CooperativeSGD(1, value(np.full((4, 4), 0.25))))[-1].numpy()
    together = exactly(np.ptp(synced, axis=0), np.zeros(equations.D))
    claim.decide(all_of(numbers, close(alone, by_hand, rtol=0, atol=1e-12), together), "1 and 0")


@decides("coopsgd-lemma9")
def test_operator_norm_of_powers(claim: Decider) -> None:
    connected = [matrix for matrix in GRAPHS.values() if second(matrix) < 1 - 1e-9]
    norms, powers = [], []
    for matrix, j in product(connected, (0, 1, 2, 5, 20)):
        n = len(matrix)
        norms.append(np.linalg.norm(np.linalg.matrix_power(matrix, j) - np.full((n, n), 1 / n), 2))
        powers.append(second(matrix) ** j if second(matrix) > 1e-9 or not j else 0.0)
    claim.decide(close(norms, powers, rtol=1e-9, atol=1e-12), f"{len(norms)} powers, j = 0 among them")


@decides("coopsgd-lemma10-fiedler")
def test_eigenvalues_of_a_bordered_matrix(claim: Decider) -> None:
    got, wanted = [], []
    for matrix, alpha in product(GRAPHS.values(), (0.05, 0.2, 0.6)):
        m = len(matrix)
        inner = [[1 - alpha, alpha * np.sqrt(m)], [alpha * np.sqrt(m), 1 - m * alpha]]
        got += [np.sort(np.linalg.eigvalsh(inner)), np.linalg.eigvalsh(elastic.elastic(matrix, alpha))]
        gammas = [1.0, 1 - (m + 1) * alpha]
        wanted += [np.sort(gammas), np.sort([*(1 - alpha) * np.linalg.eigvalsh(matrix)[:-1], *gammas])]
    eigenvalues = close(np.concatenate(got), np.concatenate(wanted), rtol=0, atol=1e-9)
    claim.decide(all_of(eigenvalues, _fiedler()), "1 and 1 - (m+1) alpha")


def _fiedler() -> Decision:
    """Decide Lemma 10 itself on symmetric matrices that are not stochastic."""
    got, wanted = [], []
    for m, n, rho in ((2, 1, 0.7), (4, 3, -1.3), (6, 6, 2.0)):
        rng = stream(0, "bordered", m)
        a, b = (x + x.T for x in (rng.standard_normal((m, m)), rng.standard_normal((n, n))))
        (alphas, u), (betas, v) = np.linalg.eigh(a), np.linalg.eigh(b)
        corner = rho * np.outer(u[:, -1], v[:, -1])
        got.append(np.linalg.eigvalsh(np.block([[a, corner], [corner.T, b]])))
        gammas = np.linalg.eigvalsh([[alphas[-1], rho], [rho, betas[-1]]])
        wanted.append(np.sort(np.concatenate([alphas[:-1], betas[:-1], gammas])))
    return close(np.concatenate(got), np.concatenate(wanted), rtol=0, atol=1e-9)


# ------------------------------------------------------------------------------------------------ elastic averaging


def equation_20(m: int, alpha: float) -> float:
    """Return zeta of W_alpha as (20) prints it."""
    return max(abs(1 - alpha), abs(1 - (m + 1) * alpha))


def best(mixing: Matrix) -> tuple[float, float]:
    """Return the alpha with the smallest zeta(W') and that zeta, by a search over the eigenvalues."""
    alpha = _minimum(lambda alpha: second(elastic.elastic(mixing, alpha)), 0.0, 2 / (len(mixing) + 1))
    return alpha, second(elastic.elastic(mixing, alpha))


def _minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one minimum has it, by golden-section search."""
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(80):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if function(left) < function(right) else (left, high)
    return low


def _network_error(m: int, mixing: Matrix) -> float:
    """Return the exact network error on a flat objective for K = inf, over eta^2 sigma^2; tau = 1, v = n - m."""
    algorithm = CooperativeSGD(1, value(mixing), len(mixing) - m)
    return floor(algorithm, 1.0, Quadratic(0.0), 1 << 12).consensus / m


def _elastic_error(alpha: float, m: int = 8) -> float:
    return _network_error(m, elastic.elastic(np.eye(m), alpha))


@decides("coopsgd-eq20-zeta-easgd")
def test_zeta_of_elastic_averaging(claim: Decider) -> None:
    cells = [(m, share * 2 / (m + 1)) for m in WORKERS for share in np.linspace(0, 1.2, 61)]
    found = [second(elastic.elastic(np.eye(m), alpha)) for m, alpha in cells]
    printed = close(found, [equation_20(m, alpha) for m, alpha in cells], rtol=0, atol=1e-12)
    single = [second(elastic.elastic(np.eye(1), alpha)) for alpha in (0.1, 0.5, 0.9)]  # the eigenvalue 1 - alpha is
    exception = close(
        single, [0.8, 0.0, 0.8], rtol=0, atol=1e-12
    )  # m - 1 fold: with one worker only 1 - 2 alpha is left
    claim.decide(all_of(printed, exception), f"m = {WORKERS[0]} to {WORKERS[-1]}, alpha to 1.2 of 2/(m+1)")


@decides("coopsgd-alpha-range")
def test_range_of_alpha(claim: Decider) -> None:
    printed, inside = [], []
    for m in WORKERS:
        ends = [second(elastic.elastic(np.eye(m), alpha)) for alpha in (0.0, 2 / (m + 1))]
        printed.append(ends[0] < 1 - 1e-12)  # alpha = 0 belongs to the printed range
        shares = np.array([1e-6, 1e-3, 0.25, 0.5, 0.75, 1 - 1e-3, 1 - 1e-6])
        zetas = np.array([second(elastic.elastic(np.eye(m), share * 2 / (m + 1))) for share in shares])
        beyond = second(elastic.elastic(np.eye(m), 2.0001 / (m + 1)))
        inside += [*(zetas < 1), beyond > 1, ends[0] > 1 - 1e-12, ends[1] > 1 - 1e-12, 2 / (m + 1) > 1 / m]
    claim.decide_erratum(
        exactly(printed, [True] * len(printed)),
        exactly(inside, [True] * len(inside)),
        "0 < alpha; zeta = 1 at alpha = 0",
    )


@decides("coopsgd-lemma1-best-alpha")
def test_best_alpha(claim: Decider, figures: FigureFolder) -> None:
    searched = np.array([best(np.eye(m)) for m in WORKERS])
    printed = [[2 / (m + 2), m / (m + 2)] for m in WORKERS]
    code = [elastic.best_alpha(np.eye(m)) for m in WORKERS]
    exact = _minimum(_elastic_error, 0.1, 0.222)
    _draw(figures, 8, exact)
    decision = all_of(
        close(searched, printed, rtol=0, atol=1e-9),
        close(code, np.array(printed)[:, 0], rtol=0, atol=1e-12),
        close([exact], [0.2132], rtol=0, atol=5e-5),
    )
    claim.decide(decision, "alpha = {:.5f}, zeta = {:.5f} at m = 8".format(*searched[WORKERS.index(8)]))


@decides("coopsgd-fig4-alpha-best", "coopsgd-fig4-alpha-empirical", "coopsgd-fig4-alpha-limit")
def test_alphas_of_figure4(claim: Decider) -> None:
    m = 8
    if claim.claim.id == "coopsgd-fig4-alpha-best":
        found = best(np.eye(m))[0]
    elif claim.claim.id == "coopsgd-fig4-alpha-empirical":
        found = 0.9 / m
    else:
        found = _crossing(m, 0.0, 1.0)
    claim.decide(close([found], [claim.claim.value], rtol=0, atol=5e-5), f"{found:.6f}")


def _crossing(m: int, low: float, high: float) -> float:
    """Return the alpha at which zeta(W_alpha) reaches 1."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if second(elastic.elastic(np.eye(m), middle)) < 1 else (low, middle)
    return low


@decides("coopsgd-lemma2")
def test_zeta_of_generalized_elastic_averaging(claim: Decider) -> None:
    cells = [(matrix, share * 2 / (len(matrix) + 1)) for matrix in GRAPHS.values() for share in np.linspace(0, 1.2, 61)]
    found = [second(elastic.elastic(matrix, alpha)) for matrix, alpha in cells]
    printed = [max((1 - a) * second(w), abs(1 - (len(w) + 1) * a)) for w, a in cells]
    claim.decide(close(found, printed, rtol=0, atol=1e-9), f"{len(GRAPHS)} graphs, alpha to 1.2 of 2/(m+1)")


def lemma2(m: int, z: float) -> tuple[float, float]:
    """Return the best alpha of Lemma 2 and the zeta' that it makes."""
    return (1 + z) / (m + 1 + z), m * z / (m + 1 + z)


@decides("coopsgd-lemma2-best-alpha")
def test_best_alpha_of_lemma2(claim: Decider) -> None:
    matrices = [w for w in GRAPHS.values() if second(w) > 1e-9]
    searched = np.array([best(w) for w in matrices])
    printed = [lemma2(len(w), second(w)) for w in matrices]
    code = [elastic.best_alpha(w) for w in matrices]
    decision = all_of(
        close(searched, printed, rtol=0, atol=1e-8), close(code, np.array(printed)[:, 0], rtol=0, atol=1e-12)
    )
    at_ring8 = searched[[len(w) for w in matrices].index(8)]
    claim.decide(decision, "alpha = {:.4f}, zeta' = {:.4f} on a ring of 8".format(*at_ring8))


@decides("coopsgd-lemma2-improves")
def test_an_auxiliary_variable_lowers_the_floor(claim: Decider) -> None:
    smaller, at_eta, at_effective = [], [], []
    for m, z in product((2, 3, 8, 64, 1024), np.linspace(0.01, 0.999, 100)):
        _, after = lemma2(m, z)
        before, errors = bounds.network_error(1, z), bounds.network_error(1, after)
        smaller.append(after < z)
        at_eta.append(errors < before)
        at_effective.append(errors * (1 + 1 / m) ** 2 < before)
    from_matrices = [best(w)[1] < second(w) for w in GRAPHS.values() if second(w) > 1e-9]
    holds = [*smaller, *at_eta, *at_effective, *from_matrices]
    ring8 = uniform(ring(8))
    exact = [_network_error(8, ring8), _network_error(8, elastic.elastic(ring8, elastic.best_alpha(ring8)))]
    decision = all_of(exactly(holds, [True] * len(holds)), close(exact, [0.511, 0.233], rtol=0, atol=5e-4))
    claim.decide(decision, "at equal eta and at equal eta_eff, zeta in (0, 1)")


# -------------------------------------------------------------------------------------------------- PASGD and D-PSGD


def equation_22(tau: Array) -> Array:
    """Return zeta_tau as (22) prints it."""
    result: Array = np.sqrt(1 - 2 / (tau + 1))
    return result


@decides("coopsgd-eq22-zeta-tau")
def test_equal_floors(claim: Decider) -> None:
    taus = np.array([float(tau) for tau in claim.claim.value])
    equal = close(bounds.network_error(1, equation_22(taus)), bounds.network_error(taus, 0), rtol=1e-9, atol=0)
    printed = close(equation_22(taus), list(claim.claim.value.values()), rtol=0, atol=5e-6)
    claim.decide(all_of(equal, printed), f"{equation_22(taus)[3]:.5f} at tau = {taus[3]:.0f}")


@decides("coopsgd-zeta-tau-limit")
def test_limit_of_the_threshold(claim: Decider) -> None:
    taus = np.geomspace(10, 1e5, 30)
    line = slope_interval(np.log(taus), np.log(1 - equation_22(taus)))
    rest = float(abs(line.residuals).max())
    claim.decide(
        within(line.interval, -1.05, -0.95), f"1 - zeta_tau: slope {line.interval.estimate:.4f}, residuals {rest:.2g}"
    )


@decides("coopsgd-zeta-075-ring7")
def test_ring_of_seven(claim: Decider) -> None:
    found = second(uniform(ring(7)))
    claim.decide(close([found], [claim.claim.value], rtol=0, atol=5e-3), f"{found:.4f}")


# --------------------------------------------------------------------------------------------------------- figure


def _draw(figures: FigureFolder, m: int, exact: float) -> None:
    """Draw zeta, the bound on the network error and the network error itself over alpha."""
    figure, (left, right) = panels(2, width=4.4)
    alphas = np.linspace(0.02, 2 / (m + 1) - 0.002, 120)
    zetas = np.array([second(elastic.elastic(np.eye(m), alpha)) for alpha in alphas])
    bound, errors = bounds.network_error(1, zetas), np.array([_elastic_error(alpha, m) for alpha in alphas])
    left.plot(alphas, zetas, color=COLOURS[0])
    right.semilogy(alphas, bound, "--", color=COLOURS[0], label="bound in (17)")
    right.semilogy(alphas, errors, "-", color=COLOURS[1], label="exact, flat objective")
    right.plot([exact], [_elastic_error(exact, m)], "o", color=COLOURS[1], label=f"smallest at {exact:.4f}")
    for axis in (left, right):
        for alpha, style, name in ((0.9 / m, ":", "0.9/m"), (2 / (m + 2), "-", "2/(m+2)")):
            axis.axvline(alpha, color="black", ls=style, lw=0.8, label=name)
        axis.set(xlabel="alpha", xticks=np.arange(0, 0.25, 0.05))
    left.set(title=f"zeta of W_alpha, m = {m}")
    right.set(title="network error / (eta L sigma)^2")
    right.legend(fontsize=7, loc="lower left")
    frame = pd.DataFrame({"alpha": alphas, "zeta": zetas, "bound": bound, "exact": errors})
    figures.save("elasticity", figure, frame)
