"""What Theorem 1, its lemmas and corollaries are tried on: members of the family, objectives with known constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import pi

import numpy as np

from algorithms import cooperative as co
from algorithms.cooperative import CooperativeSGD
from algorithms.elastic import best_alpha
from algorithms.network import Lossless
from algorithms.schedule import Constant
from algorithms.topology import Matrix, lazy, ring, uniform, value
from reproductions.coopsgd import bounds
from reproductions.coopsgd.bounds import Condition, Setting
from reproductions.coopsgd.exact import Array
from reproductions.harness.descent import Descent, over_seeds, repeat
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
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
    weights: Matrix = (1 - second) / n + second * np.eye(n)
    return weights


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


def descent(
    role: str, algorithm: CooperativeSGD, problem: tuple[Objective, Gaussian], eta: float, steps: int, d: int = 256
) -> Descent:
    """Return the run of an algorithm on an objective."""
    objective, noise = problem
    return Descent(role, algorithm, algorithm.workers, d, steps, 0, Lossless(), objective, noise, Constant(eta))


def grid(settings: Settings) -> list[Descent]:
    """Return every member on waves at nearly the largest step size of (16), and some on other objectives."""
    cells = [("waves", member, 0.98, 16) for member in MEMBERS]
    cells += [("bowl", member, share, 16) for member in PLAIN for share in (0.1, 0.98)]
    cells += [("hilltop", member, 0.98, 16) for member in DESIGNS]
    longer = LONGER[settings.scale]
    drafts = [_within(bounds.eq16, member, name, share, longer * steps) for name, member, share, steps in cells]
    return [run for draft in drafts for run in repeat(draft, settings.seeds)]


def noisier(settings: Settings) -> list[Descent]:
    """Return members on problems with beta > 0 at the largest step size of (138)."""
    steps = 8 * LONGER[settings.scale]
    drafts = [_within(bounds.eq138, member, name, 1.0, steps) for member in PLAIN for name in NOISIER]
    return [run for draft in drafts for run in repeat(draft, settings.seeds)]


def _within(
    condition: Callable[[Setting], Condition], algorithm: str, problem: str, fraction: float, steps: int
) -> Descent:
    draft = descent(f"{algorithm} on {problem}", MEMBERS[algorithm], (PROBLEMS | NOISIER)[problem], 1.0, steps, d=64)
    return replace(draft, schedule=Constant(fraction * condition(setting(draft)).largest))


def member(run: Descent) -> CooperativeSGD:
    """Return the algorithm of an experiment."""
    assert isinstance(run.algorithm, CooperativeSGD)
    return run.algorithm


def setting(run: Descent) -> Setting:
    """Return the setting of an experiment."""
    constants, noise = run.objective.constants(run.nodes, run.d), run.noise
    beta = noise.beta if isinstance(noise, Relative) else 0.0
    return bounds.setting(member(run), constants.lipschitz, noise.sigma(run.d), constants.gap, beta)


def eta(run: Descent) -> float:
    """Return the constant step size of an experiment."""
    return run.schedule.lr(0)


def measured(group: Sequence[Run], metric: str, steps: int) -> Array:
    """Return the mean of a metric over k = 1..steps in every run."""
    return np.array(over_seeds(group, metric, steps))


def whole_periods(run: Descent) -> Iterable[int]:
    """Yield the logged K that the communication period divides."""
    tau = member(run).tau
    return (k for k in {*(2**i for i in range(run.steps.bit_length())), run.steps} if k % tau == 0)
