"""What Theorem 1, its lemmas and corollaries are tried on: members of the family, objectives with known constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import pi
from typing import NamedTuple

import numpy as np

from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.coopsgd.elastic import best_alpha
from algorithms.network import Lossless
from algorithms.schedule import Constant
from algorithms.topology import Matrix, lazy, ring, uniform, value
from reproductions.coopsgd import bounds, exact
from reproductions.coopsgd.bounds import Assumptions, Condition
from reproductions.coopsgd.exact import Array
from reproductions.experiments.descent import Descent, seeded
from reproductions.paper import Decision, Run, Settings, all_of, at_most_one, searched, within
from reproductions.workloads.objectives import Gaussian, Objective, Quadratic, Rare, Relative, Waves

LONGER = {"smoke": 1, "small": 8, "paper": 64}
RING8 = uniform(ring(8))


def rule10(algorithm: CooperativeSGD) -> CooperativeSGD:
    """Return the same member of the family by the rule that the paper analyses."""
    return replace(algorithm, alternative=False)


MEMBERS = {
    "fully synchronous": co.fully_synchronous(4),
    "PASGD": co.periodic_averaging(4, 4),
    "D-PSGD": rule10(co.decentralized(RING8)),
    "decentralized periodic": co.decentralized_periodic(uniform(ring(7)), 4),
    "EASGD": rule10(co.elastic_averaging(8, best_alpha(np.eye(8)))),
    "generalized elastic": co.generalized_elastic(RING8, best_alpha(RING8)),
    "hierarchical": co.hierarchical_averaging([2, 2], 0.2, 0.2, tau=2),
}
PLAIN, DESIGNS = ("PASGD", "D-PSGD", "EASGD"), ("decentralized periodic", "generalized elastic", "hierarchical")
BOWL = Quadratic(1.0, centre=1.0, pattern="outlier")  # the pattern is for any number of workers; all are alike
PROBLEMS: dict[str, tuple[Objective, Gaussian]] = {
    "bowl": (BOWL, Gaussian(1.0)),
    "waves": (Waves(3.0, centre=2.0), Rare(1.0)),
    "hilltop": (Waves(1.0, centre=pi), Gaussian(3.0)),  # starts at a maximum
}
NOISIER: dict[str, tuple[Objective, Gaussian]] = {  # beta > 0
    "bowl, beta = 4": (BOWL, Relative(0.5, beta=4.0)),
    "waves, beta = 4": (Waves(3.0, centre=2.0), Relative(0.5, beta=4.0)),
}


def complete(m: int, second: float, v: int = 0, tau: int = 1, *, alternative: bool = False) -> CooperativeSGD:
    """Return A(tau, (1 - zeta) J + zeta I, v): a matrix of any zeta in (-1, 1), all of whose eigenvalues have it."""
    return CooperativeSGD(tau, value(mixture(m + v, second)), v, alternative=alternative)


def mixture(n: int, second: float) -> Matrix:
    """Return (1 - zeta) J + zeta I, (n, n)."""
    return np.asarray((1 - second) / n + second * np.eye(n))


# figure 3 uses the circled points of figure 2: (tau, zeta) with 8 workers; 0.8047 and 0.9024 are a ring and a lazy ring
CIRCLED = {
    (1, 0.0): co.fully_synchronous(8),
    (4, 0.0): co.periodic_averaging(8, 4),
    (15, 0.0): co.periodic_averaging(8, 15),
    (50, 0.0): co.periodic_averaging(8, 50),
    (1, 0.5): complete(8, 0.5),
    (1, 0.8047): rule10(co.decentralized(RING8)),
    (1, 0.9024): rule10(co.decentralized(lazy(RING8))),
}


class Cell(NamedTuple):
    """A member of the family on an objective, at a share of the largest step size that a condition allows."""

    member: str
    problem: str
    share: float


WAVES = [Cell(member, "waves", 0.98) for member in MEMBERS]
BOWLS = [Cell(member, "bowl", share) for member in PLAIN for share in (0.1, 0.98)]
HILLTOPS = [Cell(member, "hilltop", 0.98) for member in DESIGNS]
GRID = [*WAVES, *BOWLS, *HILLTOPS]  # at step sizes of (16)
NOISY = [Cell(member, problem, 1.0) for member in PLAIN for problem in NOISIER]  # at those of (138)


def descent(
    algorithm: CooperativeSGD, problem: tuple[Objective, Gaussian], eta: float, steps: int, d: int = 256
) -> Descent:
    """Return the run of an algorithm on an objective."""
    objective, noise = problem
    return Descent(algorithm, algorithm.workers, d, steps, 0, Lossless(), objective, noise, Constant(eta))


def grid(settings: Settings) -> dict[Cell, list[Descent]]:
    """Return every member on waves at nearly the largest step size of (16), and some on other objectives."""
    steps = 16 * LONGER[settings.scale]
    return {cell: seeded(_within(bounds.eq16, cell, steps), settings.seeds) for cell in GRID}


def noisier(settings: Settings) -> dict[Cell, list[Descent]]:
    """Return members on problems with beta > 0 at the largest step size of (138)."""
    steps = 8 * LONGER[settings.scale]
    return {cell: seeded(_within(bounds.eq138, cell, steps), settings.seeds) for cell in NOISY}


def _within(condition: Callable[[Assumptions], Condition], cell: Cell, steps: int) -> Descent:
    d = 512 if cell.problem.startswith("bowl") else 64  # so many that 8 runs are within 5 % of what is exact there
    draft = descent(MEMBERS[cell.member], (PROBLEMS | NOISIER)[cell.problem], 1.0, steps, d)
    return replace(draft, schedule=Constant(cell.share * condition(assumptions(draft)).largest))


def member(run: Descent) -> CooperativeSGD:
    """Return the algorithm of an experiment."""
    assert isinstance(run.algorithm, CooperativeSGD)
    return run.algorithm


def assumptions(run: Descent) -> Assumptions:
    """Return what the bounds depend on in an experiment."""
    constants, noise = run.objective.constants(run.nodes, run.d), run.noise
    return bounds.assumptions(member(run), constants.lipschitz, noise.sigma(run.d), constants.gap, _beta(noise))


def eta(run: Descent) -> float:
    """Return the constant step size of an experiment."""
    return run.schedule.lr(0)


def whole_periods(run: Descent) -> Iterable[int]:
    """Yield the logged K that the communication period divides."""
    tau = member(run).tau
    return (k for k in {*(2**i for i in range(run.steps.bit_length())), run.steps} if k % tau == 0)


# ------------------------------------------------------------------------------------------------------ what is found

Group = Sequence[Run[Descent]]  # the runs of one label, by seed


def measured(group: Group, metric: str, steps: int) -> Array:
    """Return the mean of a metric over k = 1..steps in every run."""
    return np.array([float(run.series(metric)[steps]) for run in group])


def expected(run: Descent, steps: int) -> exact.ExactMeans:
    """Return what `measured` is on average, for an experiment on a bowl or a flat objective."""
    objective = run.objective
    assert isinstance(objective, Quadratic)
    start = run.d * objective.centre**2
    problem = exact.Parabola(objective.curvature, run.noise.sigma(run.d), _beta(run.noise), start)
    return exact.expected(member(run), eta(run), problem, steps)


def follows(groups: Iterable[Group], by: float = 0.05) -> Decision:
    """Decide that runs on bowls have the exact gradient and disagreement: what is exact is about what is run."""
    return all_of(*(decision for group in groups for decision in _follows(group, by)))


def _follows(group: Group, by: float) -> list[Decision]:
    run = group[0].experiment
    exact = expected(run, run.steps)
    pairs = {"gradient": exact.gradient, "consensus": exact.consensus}
    return [near(measured(group, metric, run.steps) / mean, by) for metric, mean in pairs.items()]


def near(ratios: Array, by: float = 0.05) -> Decision:
    """Decide that the mean ratio of runs to their exact expectation is 1 plus or minus `by`."""
    return within(ratios, 1 - by, 1 + by, of="values" if np.ptp(ratios) == 0 else "seeds")


def below_bound(ratios: Iterable[Array]) -> Decision:
    """Decide that no mean ratio of measured to bound exceeds 1.

    Ratios that differ between seeds are decided by `at_most_one`; those that all seeds share, such as the gradient at
    the common start, by their largest.
    """
    samples = list(ratios)
    fixed = [float(sample[0]) for sample in samples if np.ptp(sample) == 0]
    random = [sample for sample in samples if np.ptp(sample) > 0]
    parts = [searched(fixed, "those without randomness")] if fixed else []
    return all_of(*([at_most_one(random)] if random else []), *parts)


def _beta(noise: Gaussian) -> float:
    return noise.beta if isinstance(noise, Relative) else 0.0
