"""Lemma 1 and section 5.1: the elasticity alpha of EASGD."""

from __future__ import annotations

import numpy as np
import pandas as pd

from algorithms.coopsgd import elastic
from reproductions.coopsgd import bounds
from reproductions.coopsgd.exact import network_error
from reproductions.coopsgd.spectra import apart, best, minimum, second
from reproductions.paper import (
    COLOURS,
    Decider,
    FigureFolder,
    all_of,
    close,
    decides,
    exactly,
    panels,
    point,
)

WORKERS = (2, 3, 4, 7, 8, 16, 32)


def equation_20(m: int, alpha: float) -> float:
    """Return zeta of W_alpha as (20) prints it."""
    return max(abs(1 - alpha), abs(1 - (m + 1) * alpha))


def _elastic_error(alpha: float, m: int = 8) -> float:
    return network_error(m, elastic.elastic(np.eye(m), alpha))


def _elastic_error_by_hand(alpha: float, m: int = 8) -> float:
    """Return the same from the eigenvalues 1 - alpha, m - 1 times, and 1 - (m+1) alpha."""
    a, b = (1 - alpha) ** 2, (1 - (m + 1) * alpha) ** 2
    return ((m - 1) * a / (1 - a) + b / (1 - b) / (m + 1)) / m


@decides("coopsgd-eq20-zeta-easgd")
def test_zeta_of_elastic_averaging(claim: Decider) -> None:
    cells = [(m, share * 2 / (m + 1)) for m in WORKERS for share in np.linspace(0, 1.2, 61)]
    found = [second(elastic.elastic(np.eye(m), alpha)) for m, alpha in cells]
    wanted = [equation_20(m, alpha) for m, alpha in cells]
    printed = close(found, wanted, rtol=0, atol=1e-12)
    # the eigenvalue 1 - alpha is m - 1 fold: with one worker only 1 - 2 alpha is left
    single = [second(elastic.elastic(np.eye(1), alpha)) for alpha in (0.1, 0.5, 0.9)]
    exception = close(single, [0.8, 0.0, 0.8], rtol=0, atol=1e-12)
    claim.decide(all_of(printed, exception), apart(found, wanted))


@decides("coopsgd-alpha-range")
def test_range_of_alpha(claim: Decider) -> None:
    printed, inside, largest = [], [], 0.0
    for m in WORKERS:
        ends = [second(elastic.elastic(np.eye(m), alpha)) for alpha in (0.0, 2 / (m + 1))]
        printed.append(ends[0] < 1 - 1e-12)  # alpha = 0 belongs to the printed range
        shares = np.array([1e-6, 1e-3, 0.25, 0.5, 0.75, 1 - 1e-3, 1 - 1e-6])
        zetas = np.array([second(elastic.elastic(np.eye(m), share * 2 / (m + 1))) for share in shares])
        largest = max(largest, zetas.max())
        beyond = second(elastic.elastic(np.eye(m), 2.0001 / (m + 1)))
        inside += [*(zetas < 1), beyond > 1, ends[0] > 1 - 1e-12, ends[1] > 1 - 1e-12, 2 / (m + 1) > 1 / m]
    literal, used = (exactly(cases, [True] * len(cases)) for cases in (printed, inside))
    claim.decide_misprint(literal, used, f"zeta = {ends[0]:g} at alpha = 0, at most {largest:.8f} inside")


@decides("coopsgd-lemma1-best-alpha")
def test_best_alpha(claim: Decider, figures: FigureFolder) -> None:
    searched = np.array([best(np.eye(m)) for m in WORKERS])
    printed = [[2 / (m + 2), m / (m + 2)] for m in WORKERS]
    code = [elastic.best_alpha(np.eye(m)) for m in WORKERS]
    exact, by_hand = (minimum(error, 0.1, 0.222) for error in (_elastic_error, _elastic_error_by_hand))
    _draw(figures, 8, exact)
    decision = all_of(
        close(searched, printed, rtol=0, atol=1e-9),
        close(code, np.array(printed)[:, 0], rtol=0, atol=1e-12),
        close([exact], [by_hand], rtol=0, atol=1e-4),  # the note: what minimizes the network error itself
    )
    text = "alpha = {:.5f}, zeta = {:.5f} at m = 8".format(*searched[WORKERS.index(8)])
    claim.decide(decision, f"{text}; the exact network error is smallest at {exact:.4f}")


@decides("coopsgd-fig4-alpha-best", "coopsgd-fig4-alpha-empirical", "coopsgd-fig4-alpha-limit")
def test_alphas_of_figure4(claim: Decider) -> None:
    m = int(claim.claim.at["m"])
    choices = {"best": lambda: best(np.eye(m))[0], "empirical": lambda: 0.9 / m, "limit": lambda: _crossing(m)}
    found = choices[str(claim.claim.at["choice"])]()
    claim.decide(claim.within(point(found)), f"{found:.6f}")


def _crossing(m: int) -> float:
    """Return the alpha at which zeta(W_alpha) reaches 1."""
    from scipy.optimize import brentq

    above_0 = 1e-3  # where zeta is 1 as well
    return float(brentq(lambda alpha: second(elastic.elastic(np.eye(m), alpha)) - 1, above_0, 1.0))


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
    left.set(ylabel="zeta of W_alpha", title=f"m = {m}")
    right.set(ylabel="network error / (eta L sigma)^2", title=f"m = {m}, tau = 1")
    right.legend(fontsize=7, loc="lower left")
    frame = pd.DataFrame({"alpha": alphas, "zeta": zetas, "bound": bound, "exact": errors})
    figures.save("elasticity", figure, frame)
