"""Section 3: lemmas 1 to 7, on which Theorem 1 rests, and the sets V_t of processes that are still computing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from algorithms.clustersgd.adversaries import Faults, Uniform
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.sgd import StronglyConvexSGD
from algorithms.schedule import InverseTime
from algorithms.streams import stream
from reproductions.clustersgd import adaptive, moments, schedules
from reproductions.clustersgd.moments import Array, Theorem1Constants
from reproductions.paper import Decider, Decision, agree, all_of, close, decides, exactly, searched

N_PROCESSES, T = 8, 48
SETTINGS = [
    Theorem1Constants(mu, 1.0, sigma, distance, beta / mu, max(beta / mu - 1, 0.01))
    for mu, beta in product((1.0, 0.1), (1.1, 2.0, 8.0))
    for sigma, distance in ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.1, 3.0))
]


class ConvexGradient(NamedTuple):
    """A gradient map R^d -> R^d with known mu and L, and its minimum 0."""

    mu: float
    lipschitz: float
    gradient: Callable[[Array], Array]


@decides("clustersgd-lemma1-variance")
def test_lemma1(claim: Decider) -> None:
    exact, wanted = [], []
    for B, p in product((1, 2, 5), (0.5, 0.01)):
        # B points x_i; the noise at x_i is one of two values in the direction e_i + e_1, of variance 1
        kicks = np.sqrt([(1 - p) / p, p / (1 - p)]) * [1, -1] / np.sqrt(2)
        directions = np.eye(B) + np.eye(B)[0] if B > 1 else np.sqrt([[2.0]])
        directions *= np.sqrt(2) / np.linalg.norm(directions, axis=1, keepdims=True)
        variance = 0.0
        for outcome in product((0, 1), repeat=B):
            chance = np.prod(np.where(outcome, 1 - p, p))
            mean = (kicks[list(outcome)][:, None] * directions).mean(axis=0)
            variance += float(chance * mean @ mean)
        exact.append(variance)
        wanted.append(1 / B)
    decision = all_of(close(exact, wanted, rtol=1e-12, atol=0), _follows())
    shares = [variance / bound for variance, bound in zip(exact, wanted, strict=True)]
    claim.decide(decision, f"{min(shares):.6g} to {max(shares):.6g} of sigma^2/B in {len(shares)} cases")


@decides("clustersgd-lemma3-contraction")
def test_lemma3(claim: Decider) -> None:
    ratios = []
    for q, (x, y) in _pairs():
        for share in (1e-3, 0.3, 0.9, 1.0):
            eta = share / q.lipschitz
            moved = x - eta * q.gradient(x) - y + eta * q.gradient(y)
            ratios.append(_square(moved) / ((1 - eta * q.mu) * _square(x - y)))
    claim.decide(searched(ratios, "quadratics and log cosh, eta to 1/L"), f"{max(ratios):.6f} of the bound at worst")


@decides("clustersgd-lemma5")
def test_lemma5(claim: Decider) -> None:
    ratios = [_over_lemma5(q, x) for q, (x, _) in _pairs()]
    equal = [_over_lemma5(q, x) for q, x in _round_bowls()]
    attained = close(equal, np.ones(len(equal)), rtol=1e-9, atol=0)
    text = f"{max(ratios):.4f} of the bound at worst, {min(equal):.6g} to {max(equal):.6g} where mu = L"
    claim.decide(all_of(searched(ratios, "quadratics and log cosh"), attained), text)


@decides("clustersgd-lemma4-diameter")
def test_lemma4(claim: Decider) -> None:
    _decide_recursion(claim, moments.spread, 4.0, adaptive.over_lemma4())


@decides("clustersgd-lemma6-distance")
def test_lemma6(claim: Decider) -> None:
    _decide_recursion(claim, moments.error, 1.0, adaptive.over_lemma6())


@decides("clustersgd-lemma7-recursion")
def test_lemma7(claim: Decider) -> None:
    ratios = []
    for c, mu, excess, first in product((0.1, 1.0), (0.2, 1.0), (1.01, 1.5, 4.0, 50.0), (0.0, 1.0, 100.0)):
        for slack in (0.0, 0.5, 10.0):  # eta_1 mu <= 1 is beta mu <= gamma + 1
            ratios.append(_over_lemma7(c, mu, excess / mu, excess - 1 + slack, first))
    printed = _over_lemma7(1.0, 1.0, 10.0, 0.1, 0.0, steps=1)
    by_hand = (
        9 * 2.1 / 1.1**2
    )  # (beta mu - 1)(gamma + 2)/(gamma + 1)^2: a_2 = beta^2 c/(gamma + 1)^2 over v/(gamma + 2)
    used = all_of(searched(ratios, "eta_1 mu <= 1, 2,000 steps"), close(printed, by_hand, rtol=1e-12, atol=0))
    text = f"{max(ratios):.4f} of the bound at worst; as printed {printed:.1f}"
    claim.decide_misprint(searched([printed], "beta = 10, mu = c = 1, gamma = 0.1, a_1 = 0"), used, text)


@decides("clustersgd-Vt-nested")
def test_active_sets(claim: Decider) -> None:
    nested = [later <= before for e in range(40) for before, later in pairwise(_active(e)[0])]
    claim.decide(exactly(nested, np.ones(len(nested))), f"in {sum(nested)} of {len(nested)} iterations")


@decides("clustersgd-Vt-senders")
def test_senders(claim: Decider) -> None:
    senders_before, senders_now = [], []
    for e in range(40):
        active, senders = _active(e)
        senders_before += [sent <= before for sent, before in zip(senders, active, strict=False)]
        senders_now += [sent <= now for sent, now in zip(senders, active[1:], strict=True)]
    count = len(senders_now) - sum(senders_now)
    text = f"a sender is not in V_t in {count} of {len(senders_now)} iterations, and always in V_(t-1)"
    ones = np.ones(len(senders_now))
    claim.decide_misprint(exactly(senders_now, ones), exactly(senders_before, ones), text)


# ---------------------------------------------------------------------------------------------------- measurement


def _decide_recursion(claim: Decider, measure: Callable[[Array], Array], factor: float, seen: float) -> None:
    """Decide one step of a recursion, for exact moments under all schedules; `seen` is that of one that sees values."""
    cases = [(s, curvature) for s in SETTINGS for curvature in (s.mu, (s.mu + s.lipschitz) / 2, s.lipschitz)]
    ratios: list[float] = []
    for N, observed in _observed():
        c = [measure(m) for m in moments.moments(observed, cases)]
        for t in range(1, len(c)):
            bounds = [s.lemma6(t, before, N, factor) for (s, _), before in zip(cases, c[t - 1], strict=True)]
            ratios += [found / bound for found, bound in zip(c[t], bounds, strict=True) if bound > 1e-12]
    readings = {
        "oblivious": all_of(searched(ratios, "schedules that look at no values, mu to L, 48 iterations"), _follows()),
        "adaptive": searched([seen], "the most extreme of 8 messages first, rare noise, N = 1"),
    }
    text = f"{max(ratios):.4f} of the bound at worst; {seen:.2f} of it against an adversary that sees the values"
    claim.decide_readings(readings, text)


@cache
def _observed() -> list[tuple[int, list[Array]]]:
    n, found = N_PROCESSES, []
    for N in (1, 2, 4, 8):
        found += [(N, moments.observe(n, N, T, strategy)) for strategy in moments.schedules(n, N).values()]
    return found + [(n - f, moments.observe(n, n - f, T, moments.dying(n, f), f=f)) for f in (3, 7)]


def _follows() -> Decision:
    """Decide whether executions are x_{t+1} = W_t ((1 - eta_t h) x_t - eta_t z_t), each row of W_t N times 1/N."""
    d, h = 3, 0.7
    sides: list[tuple[Array, Array]] = []
    counts: list[Array] = []
    for N, name in product((1, 3, 8), ("uniform", "slowest cluster", "rotating")):
        noise = stream(0, "clustersgd/noise", N).standard_normal((N_PROCESSES, T + 1, d))
        algorithm = StronglyConvexSGD(Clusters.even(N_PROCESSES, 4), T, N, InverseTime(1.5, 1.0))
        done = moments.run(algorithm, moments.schedules(N_PROCESSES, N)[name], noise, np.ones(d), h)
        x = np.ones((N_PROCESSES, d))
        for t, w in enumerate(moments.weights(done, N_PROCESSES, T), 1):
            eta = 1.5 / (1 + t)
            x = w @ ((1 - eta * h) * x - eta * noise[:, t])
            counts.append((w > 0).sum(axis=1) - N)
        sides.append((np.array([done.outputs[i] for i in range(N_PROCESSES)]), x))
    return all_of(agree(sides, rtol=1e-9, atol=1e-12), exactly(counts, np.zeros((len(counts), N_PROCESSES))))


def _pairs() -> Iterator[tuple[ConvexGradient, Array]]:
    """Yield convex functions with points near and far; with the differences along every axis, and oblique."""
    for mu, d in product((0.01, 0.5, 0.99), (1, 4)):
        curvatures = np.linspace(mu, 1.0, d) if d > 1 else np.array([mu])
        rotation, _ = np.linalg.qr(stream(0, "clustersgd/rotation", d).standard_normal((d, d)))
        turned = rotation @ np.diag(curvatures) @ rotation.T
        bowl = ConvexGradient(mu, 1.0, lambda x, a=turned: a @ x)  # type: ignore[misc]
        cosh = ConvexGradient(mu, 1.0, lambda x, m=mu: m * x + (1 - m) * np.tanh(x))  # type: ignore[misc]
        for q, scale in product((bowl, cosh), (1e-3, 1.0, 30.0)):
            rng = stream(0, "clustersgd/pairs", d)
            ends = [scale * rng.standard_normal((2, d)) for _ in range(8)]
            ends += [np.array([scale * rotation[:, k], -scale * rotation[:, k]]) for k in range(d)]
            for pair in ends:
                yield q, pair


def _round_bowls() -> Iterator[tuple[ConvexGradient, Array]]:
    """Yield functions with mu = L, and points."""
    for h, d in product((0.1, 1.0, 7.0), (1, 4)):
        x = stream(0, "clustersgd/round", d).standard_normal(d)
        yield ConvexGradient(h, h, lambda at, h=h: h * at), x  # type: ignore[misc]


def _over_lemma5(q: ConvexGradient, x: Array) -> float:
    """Return the right-hand side of Lemma 5 over its left-hand side, with x* = 0."""
    g = q.gradient(x)
    return (_square(g) / (2 * q.lipschitz) + q.mu / 2 * _square(x)) / float(g @ x)


def _over_lemma7(c: float, mu: float, beta: float, gamma: float, first: float, steps: int = 2000) -> float:
    """Return the largest a_t over v/(gamma + t) where the recursion is an equality; gamma > 0."""
    gamma = max(gamma, 1e-3)
    v = max(beta**2 * c / (beta * mu - 1), (gamma + 1) * first)
    a, worst = first, 0.0
    for t in range(1, steps + 1):
        eta = beta / (gamma + t)
        a = (1 - eta * mu) * a + c * eta**2
        worst = max(worst, a * (gamma + t + 1) / v)
    return worst


def _active(e: int) -> tuple[list[set[int]], list[set[int]]]:
    """Return V_0, V_1, ... and whoever sent a message that was received in iteration 1, 2, ..., of one execution."""
    n, N, iterations = 6, 3, 6
    algorithm = StronglyConvexSGD(Clusters.even(n, 3), iterations, N, InverseTime(1.0, 1.0), 3)
    process = lambda i: algorithm.process(i, np.ones(1), lambda i, t, x: x)  # noqa: E731
    done = schedules.execute(algorithm.clusters, process, Uniform(12), e, Faults(3, 3))
    history = done.history
    assert history is not None
    times = [(t,) for t in range(1, iterations + 1)]
    active = [set(range(n)), *(set(history.computed.get(t, {})) for t in times)]
    senders = [{j for received in history.received.get(t, {}).values() for j in received} for t in times]
    return active, senders


def _square(x: Array) -> float:
    return float(x @ x)
