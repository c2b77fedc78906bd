"""Theorem 1: internal and external convergence of algorithm 1, its rates, and any number of failures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import sqrt

import numpy as np

from algorithms.clustersgd.adversaries import Faults, Strategy, uniform
from algorithms.clustersgd.agreement import MID_EXTREMES
from algorithms.clustersgd.model import Clusters, Vector
from algorithms.clustersgd.scheduler import System
from algorithms.clustersgd.scheduler import run as run_system
from algorithms.clustersgd.sgd import ClusterSGD, GeneralSGD, StronglyConvexSGD
from algorithms.schedule import InverseTime
from algorithms.streams import stream
from reproductions.clustersgd import adaptive, moments, plots
from reproductions.clustersgd.descents import Descents, seeded
from reproductions.clustersgd.moments import Array, Theorem1Constants
from reproductions.clustersgd.schedules import Hears, LargestFirst
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Label,
    Runs,
    Settings,
    Slope,
    agree,
    all_of,
    close,
    decides,
    exactly,
    increasing,
    searched,
    slope_interval,
    within,
)
from reproductions.workloads.objectives import Gaussian, Quadratic

n, T, D = 8, 48, 256
MESSAGES = (1, 2, 4, 8)  # N
FAILURES = (0, 4, 7)
LONG = 10_000  # iterations after which what does not decay is far above the bound
NOISY = Theorem1Constants(1.0, 1.0, 1.0, 1.0, 2.0, 1.0)
FAR = [2**k for k in range(9, 18)]  # T: the term in sigma^2/(NT) leads


def experiments(settings: Settings) -> dict[Label, list[Descents]]:
    """Return algorithm 1 for every N, and with 0, 4 and 7 of 8 processes dying: ("rate", N) and ("dying", f)."""
    found: dict[Label, list[Descents]] = {}
    for N in MESSAGES:
        found["rate", N] = seeded(_descent(N, moments.schedules(n, N)["uniform"], 0), settings.seeds)
    for f in FAILURES:
        found["dying", f] = seeded(_descent(n - f, moments.dying(n, f), f), settings.seeds)
    return found


def _descent(N: int, strategy: Strategy, f: int) -> Descents:
    algorithm = StronglyConvexSGD(Clusters.even(n, n // 2), T, N, NOISY.rate, f)
    noise = Gaussian(NOISY.sigma / sqrt(D))
    return Descents(algorithm, strategy, Quadratic(1.0), noise, D, NOISY.distance / sqrt(D), Faults(f, f))


@decides("clustersgd-theorem1-external")
def test_external(claim: Decider, runs: Runs[Descents], figures: FigureFolder) -> None:
    ratios = _ratios(moments.error, internal=False)
    plots.draw_theorem1(runs, NOISY, figures)
    search = searched(ratios, "schedules that look at no values, mu to L, T to 48")
    seen = _with_sight()
    text = f"{max(ratios):.3f} of the bound at worst; {seen:.1f} of it against an adversary that sees the values"
    readings = {"oblivious": all_of(search, _follows(runs)), "adaptive": searched([seen], "the largest first, N = 1")}
    claim.decide_readings(readings, text, runs)


@decides("clustersgd-theorem1-internal")
def test_internal(claim: Decider, runs: Runs[Descents]) -> None:
    ratios = _ratios(moments.spread, internal=True)
    tighter = _ratios(moments.spread, internal=True, start=0.0)
    search = searched(
        [*ratios, *tighter], "schedules that look at no values, mu to L, T to 48, and without the first term"
    )
    seen = adaptive.over_theorem1(NOISY, LONG)
    text = (
        f"{max(ratios):.3f} of the bound at worst, {max(tighter):.3f} without its first term; {seen:.0f} of it against "
        "an adversary that sees the values"
    )
    readings = {
        "oblivious": all_of(search, _follows(runs)),
        "adaptive": searched([seen], f"halves hear their extremes, rare noise, N = 1, T = {LONG}"),
    }
    claim.decide_readings(readings, text, runs)


@decides("clustersgd-theorem1-simplified")
def test_rates(claim: Decider, runs: Runs[Descents]) -> None:
    in_t = _slope(FAR, [moments.group_errors(NOISY, 4, FAR[-1])[t] for t in FAR])
    in_n = _slope(MESSAGES, [moments.group_errors(NOISY, N, FAR[-1])[-1] for N in MESSAGES])
    text = f"slope {in_t.interval.estimate:.4f} in T, {in_n.interval.estimate:.4f} in N"
    decision = all_of(within(in_t.interval, -1.02, -0.98), within(in_n.interval, -1.02, -0.98), _follows(runs))
    claim.decide(decision, text, runs)


@decides("clustersgd-rounds-convex")
def test_iterations(claim: Decider) -> None:
    targets = [2.0**-k for k in range(6, 14)]
    errors = moments.group_errors(NOISY, 4, 2**17)
    external = _slope(targets, [_first_below(errors, e) for e in targets])
    internal = _slope(targets, [_first_below(_group_spread(NOISY, 4, 2**17), e) for e in targets])
    text = f"exponents {external.interval.estimate:.3f} of epsilon, {internal.interval.estimate:.3f} of delta"
    counted = exactly([_broadcasts(N) for N in (1, 8)], [T, T])  # one communication round an iteration
    decision = all_of(within(external.interval, -1.05, -0.95), within(internal.interval, -1.05, -0.95), counted)
    claim.decide(decision, text)


@decides("clustersgd-any-failures")
def test_any_failures(claim: Decider, runs: Runs[Descents]) -> None:
    outputs, wanted, ratios = [], [], []
    for f in FAILURES:
        group = runs["dying", f]
        outputs += [r.final("outputs") for r in group]
        wanted += [n - f] * len(group)
    for f in range(n):
        observed = moments.observe(n, n - f, T, moments.dying(n, f), f=f)
        errors = [float(moments.error(c)[0]) for c in moments.moments(observed, [(NOISY, NOISY.mu)])]
        ratios += [e / NOISY.theorem1(t, n - f) for t, e in enumerate(errors[1:], 1)]
    search = searched(ratios, "0 to 7 of 8 processes die in their broadcasts, N = n - f")
    text = f"{max(ratios):.3f} of the bound at worst, all survivors have outputs"
    claim.decide(
        all_of(search, exactly(outputs, wanted), _follows(runs.only(*(("dying", f) for f in FAILURES)))), text, runs
    )


@decides("clustersgd-larger-N-better")
def test_larger_n(claim: Decider, runs: Runs[Descents]) -> None:
    rates = runs.only(*(("rate", N) for N in MESSAGES))
    falling = increasing([-np.array(errors) for errors in rates.final("mean_error").values()], paired=False)
    exact = [moments.group_errors(NOISY, N, T)[-1] for N in MESSAGES]
    decision = all_of(falling, exactly(np.diff(exact) < 0, [True] * 3), _follows(rates))
    means = [float(np.mean(errors)) for errors in rates.final("mean_error").values()]
    claim.decide(decision, f"error {', '.join(f'{m:.4f}' for m in means)} for N = 1, 2, 4, 8", rates)


@decides("clustersgd-max-acceleration")
def test_acceleration(claim: Decider) -> None:
    case = [(NOISY, NOISY.mu)]
    ratios, equal = [], []
    for N in MESSAGES:
        sequential = moments.group_errors(NOISY, N, T)
        for name, strategy in moments.schedules(n, N).items():
            errors = [float(moments.error(c)[0]) for c in moments.moments(moments.observe(n, N, T, strategy), case)]
            ratios += list(np.divide(errors[1:], sequential[1:]))
            equal += [(errors, sequential)] if name == "groups" else []
    speedups = [
        moments.group_errors(NOISY, 1, FAR[-1])[-1] / moments.group_errors(NOISY, N, FAR[-1])[-1] for N in MESSAGES
    ]
    search = searched(ratios, "error over that of sequential SGD with batches of N, four schedules")
    decision = all_of(search, agree(equal, rtol=1e-9), close(speedups, MESSAGES, rtol=1e-3, atol=0))
    text = f"speedup {', '.join(f'{s:.3f}' for s in speedups)}; {min(ratios):.2f} to 1 of sequential SGD's error"
    claim.decide(decision, text)


@decides("clustersgd-speedup-processes")
def test_processes_not_clusters(claim: Decider) -> None:
    outputs = [[_outputs(kind, 8, m) for m in (1, 2, 4, 8)] for kind in ("algorithm 1", "algorithm 2")]
    same = [(found, by_m[0]) for by_m in outputs for found in by_m]
    batch = [(_outputs(kind, k, 2), _minibatch(k)) for kind in ("algorithm 1", "algorithm 2") for k in (2, 4, 8)]
    errors = [moments.group_errors(NOISY, k, FAR[-1])[-1] * k for k in (2, 4, 8)]
    decision = all_of(
        agree(same, rtol=1e-9), agree(batch, rtol=1e-9), close(errors, [errors[0]] * 3, rtol=1e-3, atol=0)
    )
    off = max(float(np.abs(np.subtract(*pair)).max()) for pair in same)
    scaled = f"{min(errors):.5g} to {max(errors):.5g}"
    text = f"parameters of m = 1, 2, 4 and 8 clusters {off:.1g} apart; N times the error {scaled}"
    claim.decide(decision, text)


# ---------------------------------------------------------------------------------------------------- measurement


def _ratios(measure: Callable[[Array], Array], internal: bool, start: float | None = None) -> list[float]:
    """Return exact moments over the bounds of Theorem 1; with start 0, over the bound without its first term."""
    settings = [
        Theorem1Constants(mu, 1.0, sigma, distance, beta / mu, max(beta / mu - 1, 0.01) + slack)
        for mu, beta, slack in product((1.0, 0.1), (1.1, 2.0, 8.0), (0.0, 5.0))
        for sigma, distance in ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    ]
    cases = [(s, h) for s in settings for h in (s.mu, s.lipschitz) if s.sigma or start is None]
    bounded = [s if start is None else Theorem1Constants(s.mu, 1.0, s.sigma, start, s.beta, s.gamma) for s, _ in cases]
    ratios: list[float] = []
    for N in MESSAGES:
        for strategy in moments.schedules(n, N).values():
            c = moments.moments(moments.observe(n, N, T, strategy), cases)
            for t in range(1, T + 1):
                bounds = [s.theorem1(t, N, internal) for s in bounded]
                ratios += list(measure(c[t]) / bounds)
    return ratios


def _follows(runs: Runs[Descents]) -> Decision:
    """Decide whether runs with random gradients have the exact expectations."""
    decisions = []
    for label, group in runs.items():
        run = runs.experiment(label)
        N, f = run.algorithm.messages, run.algorithm.failures
        c = moments.moments(moments.observe(n, N, T, run.strategy, f=f), [(NOISY, 1.0)])[-1]
        exact = float(np.nanmean(np.diagonal(c[0])))
        decisions.append(within([r.final("mean_error") / exact for r in group], 0.85, 1.15))
    return all_of(*decisions)


def _with_sight(seeds: int = 4) -> float:
    """Return E |x_{T+1}|^2 over its bound if the largest value arrives first, N = 1."""
    algorithm = StronglyConvexSGD(Clusters.even(n, n), T, 1, NOISY.rate)
    total = 0.0
    for seed in range(seeds):
        noise = stream(seed, "clustersgd/sight").standard_normal((n, T + 1, 1))
        processes = [algorithm.process(i, np.ones(1), _noisy(noise)) for i in range(n)]
        done = run_system(System(algorithm.clusters, processes), LargestFirst(uniform(seed)).choose, record=False)
        total += max(float(x @ x) for x in done.outputs.values())
    return total / seeds / NOISY.theorem1(T, 1)


def _noisy(noise: Array) -> Callable[[int, int, Vector], Vector]:
    return lambda i, t, x: np.asarray(x + noise[i, t])


def _outputs(kind: str, k: int, m: int) -> Array:
    """Return the outputs of k processes in m clusters that all hear all, (k, 2)."""
    clusters, rate, steps = Clusters.even(k, m), InverseTime(1.0, 1.0), 6
    algorithm: StronglyConvexSGD | GeneralSGD = StronglyConvexSGD(clusters, steps, k, rate)
    if kind == "algorithm 2":
        algorithm = GeneralSGD(clusters, steps, k, rate, contraction=MID_EXTREMES.clustered, output=steps)
    noise = stream(0, "clustersgd/clusters").standard_normal((8, steps + 1, 2))
    history = moments.run(algorithm, Hears(), noise, np.ones(2)).history
    assert history is not None
    return np.array([history.computed[(steps,)][i] for i in range(k)])


def _minibatch(k: int, steps: int = 6) -> Array:
    """Return what sequential SGD computes with batches of the same k gradients, for each of k processes."""
    noise = stream(0, "clustersgd/clusters").standard_normal((8, steps + 1, 2))
    x = np.ones(2)
    for t in range(1, steps + 1):
        x = x - (x + noise[:k, t].mean(axis=0)) / (1 + t)
    return np.tile(x, (k, 1))


def _broadcasts(N: int) -> int:
    algorithm: ClusterSGD = StronglyConvexSGD(Clusters.even(n, n), T, N, NOISY.rate)
    assert isinstance(algorithm, StronglyConvexSGD)
    done = moments.run(algorithm, Hears(), np.zeros((n, T + 1, 1)), np.ones(1), 1.0)
    assert done.history is not None
    return len(done.history.sent)


def _group_spread(s: Theorem1Constants, N: int, last: int) -> Array:
    """Return E |x_i - x_j|^2 of two groups that never hear each other: twice the variance."""
    still = Theorem1Constants(s.mu, s.lipschitz, s.sigma, 0.0, s.beta, s.gamma)
    return 2 * moments.group_errors(still, N, last)


def _first_below(errors: Array, target: float) -> int:
    """Return after how many iterations the error stays at most `target`."""
    above = np.flatnonzero(errors > target)
    return int(above[-1]) + 1 if len(above) else 1


def _slope(x: object, y: object) -> Slope:
    return slope_interval(np.log(np.asarray(x, dtype=float)), np.log(np.asarray(y, dtype=float)))
