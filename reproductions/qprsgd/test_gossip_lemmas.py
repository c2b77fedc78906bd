"""Appendices D to F: lemmas 2, 3 and 7 to 11, by messages and at the worst that exact expectations give."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch

from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.streams import stream
from algorithms.topology import Matrix, complete, metropolis, ring, star, torus, uniform, value, zeta
from algorithms.world import World
from reproductions.experiments.descent import Descent
from reproductions.paper import (
    Decider,
    Decision,
    Label,
    Runs,
    Settings,
    all_of,
    at_most_one,
    close,
    decides,
    exactly,
    searched,
    within,
)
from reproductions.qprsgd.bounds import Gossip
from reproductions.qprsgd.exact import GossipMoments, apart
from reproductions.qprsgd.problems import gossip_grid, gossip_setting, measured, spectrum
from reproductions.qprsgd.rounding import Array, Levels, rounding

Cases = list[tuple[Gossip, GossipMoments]]


def experiments(settings: Settings) -> dict[Label, list[Descent]]:
    """Return the grid of Theorem 2."""
    return gossip_grid(settings)


def algorithm(K: int, s: int | None, W: Matrix) -> GossipQPRSGD:
    """Return the algorithm under test."""
    return GossipQPRSGD(K, Levels(s), value(W))


@decides("qprsgd-lemma2-noise")
def test_lemma2(claim: Decider, runs: Runs[Descent]) -> None:
    exact, sampled = _still_gradients()
    # both workers sit at their own minima: no gradient, but a disagreement to compress
    printed = exactly([exact], [0.0])
    ratios = [m["noise"] / (gamma**2 * s.K**2 * s.d2 * m["gradients"]) for s, gamma, m in _groups(runs)]
    summed = at_most_one(column for ratio in ratios for column in ratio.T)
    worst = _searched([moments.noise / (s.d2 * moments.gradients) for s, moments in _worst_cases()])
    twice = within(np.array(sampled) / exact, 0.85, 1.15, of="draws")
    text = f"E |C_2|^2 = {exact:.4f} over a bound of 0; summed over n {worst.interval.estimate:.2f} of it at worst"
    claim.decide_misprint(printed, all_of(summed, worst, twice), text, runs)


@decides("qprsgd-lemma3-gradient-sum")
def test_lemma3(claim: Decider, runs: Runs[Descent]) -> None:
    printed, corrected = (at_most_one(_gradient_sums(runs, as_is)) for as_is in (True, False))
    # M equal workers without noise, K = 1: |G|_F^2 = M |grad F|^2 against 4 |grad F|^2 / (1 - 8 y^2 D1' D3')
    s = Gossip(16, 1, 10, 1000, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0)
    by_hand = [16 / s.lemma3(0.01, 1.0, 1.0, as_is) for as_is in (True, False)]
    twice = close(by_hand, [4 * s.remainder(0.01), s.remainder(0.01) / 4], rtol=1e-12, atol=0)
    text = f"{printed.interval.estimate:.2f} of the bound as printed, {corrected.interval.estimate:.2f} corrected"
    claim.decide_erratum(printed, all_of(corrected, twice), text, runs)


@decides("qprsgd-lemma7")
def test_lemma7(claim: Decider, runs: Runs[Descent]) -> None:
    ratios: list[Array] = []
    for s, gamma, m in _groups(runs):
        bound = 2 / (1 - s.rho**2) * m["noise"] + 2 * (s.K * gamma / (1 - s.rho)) ** 2 * m["gradients"]
        ratios += list((m["disagreement"] / np.maximum(bound, 1e-300)).T)
    worst = _searched([moments.disagreement / _lemma7(s, moments) for s, moments in _worst_cases()])
    simulated = at_most_one(ratios)
    text = f"{simulated.interval.estimate:.2f} of the bound by messages, {worst.interval.estimate:.2f} at worst"
    claim.decide(all_of(simulated, worst), text, runs)


@decides("qprsgd-lemma8-9")
def test_lemmas89(claim: Decider) -> None:
    rng = stream(0, "lemma 8")
    printed, corrected = [], []
    for W in (uniform(ring(4)), uniform(ring(5)), metropolis(star(5)), uniform(torus(3, 3))):
        slow = np.linalg.eigh(W - 1 / len(W))
        second = slow.eigenvectors[:, int(np.abs(slow.eigenvalues).argmax())]
        for x, t in product((rng.standard_normal((7, len(W))), np.tile(second, (3, 1))), range(1, 9)):
            left = float(((x @ np.linalg.matrix_power(W, t) - x.mean(axis=1, keepdims=True)) ** 2).sum())
            size = float((x**2).sum())
            printed.append(left / (zeta(W) ** (4 * t) * size))  # |rho^(2t) X|_F^2
            corrected.append(left / (zeta(W) ** (2 * t) * size))
    sums = [_convolved(rho, b) for rho in (0.0, 0.3, 0.9, 0.99) for b in _sequences(rng)]
    search = searched(corrected, "rings, star, torus, t to 8; an eigenvector attains it")
    lemma9 = searched(np.ravel(sums), "ratios to both inequalities of Lemma 9, rho to 0.99")
    failure = searched(printed, "|X W^t - mean|^2 over |rho^(2t) X|_F^2")
    text = f"up to {max(printed):.3g} times |rho^(2t) X|^2; {max(corrected):.3f} of rho^(2t) |X|^2"
    claim.decide_misprint(failure, all_of(search, lemma9), text)


@decides("qprsgd-lemma10-11")
def test_lemmas1011(claim: Decider, runs: Runs[Descent]) -> None:
    ten: list[Array] = []
    eleven: list[Array] = []
    for s, gamma, m in _groups(runs):
        for_gradients = gamma**2 * s.K * (4 * s.K / (1 - s.rho) ** 2 + s.K - 1)
        bound = 4 / (1 - s.rho**2) * m["noise"] + for_gradients * m["gradients"]
        ten += list((m["drift"] / bound).T)
        eleven += list((m["average"] / (2 * s.K * s.sigma**2 / s.M + 2 * s.K**2 * m["inner_gradient"])).T)
    # at K = 1 Lemma 10 is twice Lemma 7
    worst10 = _searched([moments.disagreement / (2 * _lemma7(s, moments)) for s, moments in _worst_cases()])
    hills = [_on_a_hill(K, y) for K, y in product((2, 4, 8, 16), np.linspace(0.01, 1, 100))]
    worst11 = searched(hills, "local updates down a hill, K to 16, L gamma to 1")
    text = f"{max(worst10.interval.estimate, _largest(ten)):.2f} and {max(*hills, _largest(eleven)):.2f} at worst"
    claim.decide(all_of(at_most_one(ten), at_most_one(eleven), worst10, worst11), text, runs)


# ---------------------------------------------------------------------------------------------------- measurement


def _worst_cases() -> Cases:
    """Return exact moments where workers pull apart along an eigenvector, without and with noise; L gamma to 2.5."""
    return list(_cases())


def _cases() -> Iterator[tuple[Gossip, GossipMoments]]:
    d, graphs = 1000, (complete(2), complete(8), ring(4), ring(16))
    for W in (*map(uniform, graphs), (uniform(ring(5)) + np.eye(5)) / 2):
        (rho, mu), vectors = spectrum(W), np.linalg.eigh(W).eigenvectors
        for h, sigma, q, tilt in product((-0.3, 0.0, 0.3, 1.0, 1.5, 2.5), (0.0, 1.0), (1e-6, 1e-3), (0, len(W) - 2)):
            s = Gossip(len(W), 1, d, int((d / (4 * q)) ** 0.5), rho, mu, abs(h), sigma, 1.0, 1.0)
            for syncs in (1, 2, 10, 100) if s.precondition > 0 else ():
                yield s, apart(h, sigma, (1 + 2 * sigma) * vectors[:, tilt], d / (4 * s.s**2), W, 1.0, syncs)


def _lemma7(s: Gossip, moments: GossipMoments) -> float:
    """Return the bound of Lemma 7 for K = gamma = 1; above zero, as models start together."""
    return max(2 / (1 - s.rho**2) * moments.noise + 2 / (1 - s.rho) ** 2 * moments.gradients, 1e-300)


def _searched(ratios: list[float]) -> Decision:
    return searched(ratios, "workers that pull apart along an eigenvector, M to 16, L gamma to 2.5, N to 100, K = 1")


def _on_a_hill(K: int, y: float) -> float:
    """Return the exact ratio to Lemma 11 from the top of a hill F_m = -L |x|^2/2, M = 1, y = L gamma, sigma = 1.

    The noise of update j grows to (1 + y)^(K-1-j) of itself in the sum of stochastic gradients.
    """
    grown = (1 + y) ** (2 * np.arange(K))
    inner = y * y * float(np.concatenate([[0.0], np.cumsum(grown)[:-1]]).sum())
    return float(grown.sum()) / (2 * K + 2 * K * inner)


def _largest(ratios: list[Array]) -> float:
    return max(float(r.mean()) for r in ratios)


def _still_gradients(trials: int = 240) -> tuple[float, list[float]]:
    """Return E |C_2|_F^2 exactly and as measured where all gradients of n = 2 are zero.

    F_m = |x - e_m|^2/2, gamma L = 1, W = J: after one step worker m is at e_m, which Q_s transmits exactly.
    """
    W, minima = uniform(complete(2)), torch.eye(2, dtype=torch.float64)
    exact = float(rounding(np.array([[0.5, -0.5], [-0.5, 0.5]]), 2).noise.sum())
    found = []
    for seed in range(trials):
        world, x = World(None, 2, seed=seed), torch.zeros(2, 2, dtype=torch.float64)
        gossip = algorithm(1, 2, W)
        state = gossip.state(world, x)
        gossip.step(world, x, x - minima, state, 0, 1.0)
        assert torch.equal(x, minima)
        gossip.step(world, x, x - minima, state, 1, 1.0)  # G_2 = 0
        found.append(float((x - 0.5).square().sum()))
    return exact, [float(np.mean(found[k::8])) for k in range(8)]


def _groups(runs: Runs[Descent]) -> list[tuple[Gossip, float, dict[str, Array]]]:
    """Return setting, step size and what was measured, (seeds, N = 1, 2, 4, ...), of every run."""
    each = ((runs.experiment(label), group) for label, group in runs.items())
    return [(gossip_setting(run), run.schedule.lr(0), measured(group)) for run, group in each]


def _gradient_sums(runs: Runs[Descent], printed: bool) -> list[Array]:
    """Return the ratios to Lemma 3 at the largest N: it nearly is attained, and means over few draws scatter."""
    ratios = []
    for s, gamma, m in _groups(runs):
        both = zip(m["gradient"][:, -1], m["inner_gradient"][:, -1], strict=True)
        bound = [s.lemma3(gamma, gradient, inner, printed) for gradient, inner in both]
        ratios.append(m["gradients"][:, -1] / np.array(bound))
    return ratios


def _sequences(rng: np.random.Generator) -> list[Array]:
    return [np.ones(300), np.eye(1, 300)[0], rng.random(300), rng.pareto(1.0, 300)]


def _convolved(rho: float, b: Array) -> tuple[float, float]:
    """Return the ratios of both sides of Lemma 9."""
    a = np.array([(rho ** np.arange(t, -1, -1)) @ b[: t + 1] for t in range(len(b))])
    return float(a.sum() / (b.sum() / (1 - rho))), float((a**2).sum() / ((b**2).sum() / (1 - rho) ** 2))
