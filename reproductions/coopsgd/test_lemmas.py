"""Appendices C and D: Lemmas 3 to 8 and the bound (113) on T_1."""

from __future__ import annotations

from itertools import product

import numpy as np

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.streams import stream
from reproductions.coopsgd import bounds, problems, worst_case
from reproductions.coopsgd.bounds import Assumptions, Condition
from reproductions.coopsgd.exact import Array, Parabola, expected, moments
from reproductions.coopsgd.problems import MEMBERS, complete, descent
from reproductions.experiments.descent import Descent, seeded
from reproductions.paper import Decider, Decision, Runs, Settings, all_of, close, decides, searched

WORKERS = 3
CASES = list(product((0.0, 0.7, 5.0), (0.0, 1.3), (0.5, 0.1), range(4)))  # beta, sigma, probability of a kick, models


def experiments(settings: Settings) -> dict[str, list[Descent]]:
    """Return some members on waves at eta_eff L = 1, the largest step size of Lemma 3."""
    steps, runs = 8 * problems.LONGER[settings.scale], {}
    for name in (*problems.PLAIN, "hierarchical"):
        eta = lemma3_condition(bounds.assumptions(MEMBERS[name], 3.0)).largest
        draft = descent(MEMBERS[name], problems.PROBLEMS["waves"], eta, steps, d=64)
        runs[name] = seeded(draft, settings.seeds)
    return runs


def lemma3_condition(s: Assumptions) -> Condition:
    """Return the condition of Lemma 3, eta_eff L (1 + beta/m) <= 1."""
    return Condition(s.lipschitz / s.columns * (1 + s.beta / s.m), 0.0)


@decides("coopsgd-lemma3-decomposition")
def test_decomposition(claim: Decider, runs: Runs[Descent]) -> None:
    simulated = problems.below_bound(ratios for group in runs.values() for ratios in _ratios_to_lemma3(group))
    exact = searched(
        [r.lemma for beta in (0.0, 4.0) for r in worst_case.quadratics(lemma3_condition, beta, longest=64)],
        "quadratics at the edge of its condition",
    )
    climbs = [worst_case.climb(a, 4, 0.0, 2, 120, lemma3_condition) for a in worst_case.SMALL.values()]
    search = searched([r.lemma for climb in climbs for r in climb], "objectives that are not quadratic")
    text = f"{simulated.interval.estimate:.3f} of the bound in runs, {exact.interval.estimate:.3f} on quadratics"
    claim.decide(all_of(simulated, exact, search), text, runs=runs)


@decides("coopsgd-lemma4-6")
def test_moments_of_the_mean_gradient(claim: Decider) -> None:
    variances, wanted, ratios = [], [], []
    for beta, sigma, kick, models in CASES:
        exact = _gradients(models)
        chances, noisy = _outcomes(exact, beta, sigma, kick)
        bound = beta / WORKERS**2 * _square(exact) + sigma**2 / WORKERS
        variances.append(chances @ _squares(noisy.mean(axis=1) - exact.mean(axis=0)))
        wanted.append(bound)  # attained, as the noise attains Assumption 4
        second = chances @ _squares(noisy.mean(axis=1))
        ratios.append(second / ((beta / WORKERS + 1) * _square(exact) / WORKERS + sigma**2 / WORKERS))
    equal = close(variances, wanted, rtol=1e-9, atol=1e-12)
    attained = min(found / bound for found, bound in zip(variances, wanted, strict=True) if bound > 0)
    text = f"{attained:.3f} of the bound of Lemma 4 or more, {max(ratios):.3f} of that of Lemma 6 or less"
    claim.decide(all_of(equal, searched(ratios, "Lemma 6")), text)


@decides("coopsgd-lemma5")
def test_inner_product(claim: Decider) -> None:
    got, wanted = [], []
    for beta, sigma, kick, models in CASES:
        exact, at_mean = _gradients(models), _gradients(models, at_mean=True)
        chances, noisy = _outcomes(exact, beta, sigma, kick)
        got.append(chances @ (noisy.mean(axis=1) @ at_mean))
        wanted.append(_square(at_mean) / 2 + _square(exact) / 2 / WORKERS - _square(at_mean - exact) / 2 / WORKERS)
    text = f"largest difference {np.abs(np.subtract(got, wanted)).max():.1g} over {len(CASES)} models and noises"
    claim.decide(close(got, wanted, rtol=1e-9, atol=1e-12), text)


@decides("coopsgd-lemma7-8")
def test_norms_of_products(claim: Decider) -> None:
    seventh: list[float] = []
    eighth: list[float] = []
    attained: list[float] = []
    for d, m, seed in product((1, 3, 10), (1, 2, 8), range(5)):
        rng = stream(seed, "matrices", d, m)
        a, c = rng.standard_normal((d, m)), rng.standard_normal((m, d))
        b = rng.standard_normal((m, m))
        b = b + b.T
        largest = np.linalg.eigh(b)[1][:, np.argmax(abs(np.linalg.eigvalsh(b)))]
        along = np.outer(rng.standard_normal(d), largest)  # rows along the eigenvector attain Lemma 7
        norms = [float(np.linalg.norm(x @ b) / operator_norm(b) / np.linalg.norm(x)) for x in (a, along)]
        traces = [float(abs(np.trace(a @ x)) / np.linalg.norm(a) / np.linalg.norm(x)) for x in (c, a.T)]
        seventh, eighth = [*seventh, *norms], [*eighth, *traces]
        attained += [norms[1], traces[1]]
    tight = close(attained, np.ones(len(attained)), rtol=0, atol=1e-9)
    text = f"{max(seventh):.3f} and {max(eighth):.3f} of the bounds"
    claim.decide(all_of(searched(seventh, "Lemma 7"), searched(eighth, "Lemma 8"), tight), text)


@decides("coopsgd-eq113-T1")
def test_noise_part_of_the_network_error(claim: Decider) -> None:
    flat, exact = [], []
    for m, z, tau in product((2, 8), (0.0, 0.3, 0.9), (1, 4, 15)):
        s = Assumptions(m, 0, tau, z)
        steps = tau << 16
        found = steps * expected(complete(m, z, tau=tau), 1.0, Parabola(0.0), steps).consensus
        if bounds.network_error(tau, z) > 0:
            flat.append(2 * found / bounds.eq113(s, 1.0, steps, 0.0))  # F is flat: T_2 = 0, T_1 has a factor 2
    for algorithm, beta, h in product(
        [a for a in worst_case.FAMILY if len(a.weights) < 8], (0.0, 1.0, 5.0), (0.0, 1.0)
    ):
        s = bounds.assumptions(algorithm, beta=beta)
        eta, steps = bounds.eq138(s).largest, 6 * s.tau
        left, squared = _t1(algorithm, eta, Parabola(h, beta=beta, start=1.0), steps)
        exact.append(left / max(bounds.eq113(s, eta, steps, squared), 1e-12))
    limit = searched(flat, "twice the exact disagreement, flat F, m = 2 and 8, K to 15 * 2^16")
    claim.decide(
        all_of(limit, searched(exact, "T_1 from exact variances, beta to 5"), _two_ways()),
        f"at most {limit.interval.estimate:.4f} of the bound",
    )


# ---------------------------------------------------------------------------------------------------- measurement


def _ratios_to_lemma3(group: problems.Group) -> list[Array]:
    """Return the mean of |grad F(u_k)|^2 over (33), for every run, at several K: tau need not divide it."""
    run, ratios = group[0].experiment, []
    s, eta = problems.assumptions(run), problems.eta(run)
    for k in [1, 2, 4, 8, run.steps]:
        gradient, consensus = (problems.measured(group, metric, k) for metric in ("gradient", "consensus"))
        ratios.append(gradient / [bounds.lemma3(s, eta, k, one) for one in consensus])
    return ratios


def operator_norm(b: Array) -> float:
    """Return the operator norm of (32), the largest singular value."""
    return float(np.linalg.norm(b, 2))


def _gradients(models: int, at_mean: bool = False) -> Array:
    """Return grad F at random models, (m, 3), or at their mean, (3,), for F(x) = sum_k (1 - cos x_k)."""
    x = 2 * stream(models, "models").standard_normal((WORKERS, 3))
    return np.asarray(np.sin(x.mean(axis=0) if at_mean else x))


def _outcomes(exact: Array, beta: float, sigma: float, kick: float) -> tuple[Array, Array]:
    """Return all outcomes of the noise: their probabilities, (o,), and the stochastic gradients, (o, m, 3).

    Workers draw independently. A draw moves every coordinate of a gradient in proportion to the same skewed number, so
    E |g - grad F|^2 = beta |grad F|^2 + sigma^2.
    """
    kicks = np.array(list(product((0, 1), repeat=WORKERS)))
    odds = np.sqrt((1 - kick) / kick)
    unit = np.where(kicks, odds, -1 / odds)
    sizes = np.sqrt(beta * (exact**2).sum(axis=1) + sigma**2)
    direction = np.array([2.0, -1.0, 2.0]) / 3
    return np.where(kicks, kick, 1 - kick).prod(axis=1), exact + (unit * sizes)[:, :, None] * direction


def _squares(rows: Array) -> Array:
    return np.asarray((rows**2).sum(axis=-1))


def _square(x: Array) -> float:
    return float((x**2).sum())


def _t1(algorithm: CooperativeSGD, eta: float, problem: Parabola, steps: int) -> tuple[float, float]:
    """Return sum_k T_1 from (89), with the exact variance of every gradient, and sum_k E |grad F(X_k)|_F^2."""
    m, n = algorithm.workers, len(algorithm.weights)
    gradients = [problem.curvature**2 * np.diag(s)[:m] for s in moments(algorithm, eta, problem, steps)]
    variances = [problem.beta * squares + problem.sigma**2 for squares in gradients]
    powers = [
        np.linalg.matrix_power(algorithm.W, j) - np.full((n, n), 1 / n) for j in range(steps // algorithm.tau + 1)
    ]
    kept = [_squares(power[:m]) for power in powers]  # of the noise of every worker
    total = 0.0
    for k in range(1, steps + 1):
        for s in range(1, k):
            total += 2 * eta**2 * float(variances[s - 1] @ kept[(k - 1) // algorithm.tau - (s - 1) // algorithm.tau])
    return total, float(np.sum(gradients))


def _two_ways() -> Decision:
    """Decide that twice the exact disagreement of a flat objective is T_1, computed from (89)."""
    flat = Parabola(0.0)
    family = (complete(4, 0.5, tau=3), complete(8, 0.3))
    left = [2 * 12 * expected(algorithm, 0.5, flat, 12).consensus for algorithm in family]
    return close(left, [_t1(algorithm, 0.5, flat, 12)[0] for algorithm in family], rtol=1e-9, atol=0)
