"""Two iterations of algorithm 2 near the top of a hill, exactly: the spread that the first leaves biases the second.

Q = -L/2 x^2 near 0, n = m singleton clusters, n odd, N = 1, one round of agreement, x_1 = 0, noise of two values as in
`skewed`. In iteration 1 process i hears the core, which is the first n // 2 processes, and itself; in iteration 2
everyone hears everyone. All is in units of eta and of the gradient: h = eta L, x_2^i = p - m_i, m_i the midpoint of the
extremes that i heard, and the effective gradient G_i - grad Q(x_2^i) is (1 + h) x_2^i - x_3.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import comb
from typing import NamedTuple

import numpy as np

from algorithms.clustersgd.agreement import MID_EXTREMES
from algorithms.clustersgd.model import Clusters, Tag
from algorithms.clustersgd.sgd import GeneralSGD
from algorithms.schedule import Constant
from algorithms.streams import stream
from reproductions.clustersgd import moments
from reproductions.clustersgd.schedules import Groups, Hears, alone
from reproductions.clustersgd.two_camps import ETA, iterates
from reproductions.paper import Decision, agree


class Opened(NamedTuple):
    """Both sides of Lemma 11 in iteration 2.

    Parameters
    ----------
    bias
        E |E_t G_i - grad Q(x_2^i)|^2 of the process with the largest.
    of_means, of_largest
        max E |x_2^i - x_2^j|^2 and E max |x_2^i - x_2^j|^2, in units of eta^2.
    """

    bias: float
    of_means: float
    of_largest: float


def opened(n: int, p: float, h: float) -> Opened:
    """Return both sides for n processes, chance p of the rare noise and h = eta L."""
    k, free = n // 2, n - n // 2 - 2  # the core, which hears process k too, and the others but two
    none, full = (1 - p) ** k, p**k
    bias = dict.fromkeys(("core", "last"), 0.0)
    for (chance, least), first, last, rare in product(((none, 0.0), (full, 0.5)), (0, 1), (0, 1), range(free + 1)):
        weight = chance * p ** (first + last + rare) * (1 - p) ** (2 + free - first - last - rare) * comb(free, rare)
        low = (k + 1) * first + last + rare  # processes whose midpoint is larger by 1/2
        values = {0: (1 + h) * (p - least), 1: (1 + h) * (p - least - 0.5)}
        middle = _middle(((n - low, values[0]), (low, values[1])), p)
        bias["core"] += weight * (values[first] - middle) ** 2
        bias["last"] += weight * (values[last] - middle) ** 2
    agreed = (1 + h) * (p - 0.5)
    mixed = (1 - none - full) * (agreed - _middle(((n, agreed),), p)) ** 2
    apart = (none + full) / 4
    split = 1 - p ** (n - k) - (1 - p) ** (n - k)
    return Opened(max(bias.values()) + mixed, apart * 2 * p * (1 - p), apart * split)


def corrected(n: int, p: float, h: float = 0.0, spread: float = 0.0) -> float:
    """Return what holds for Lemma 11, 2 (1/eta + L)^2 E max |x_i - x_j|^2 + 2 n sigma^2; `spread` in units of eta^2."""
    return 2 * (1 + h) ** 2 * spread + 2 * n * p * (1 - p)


def _middle(groups: tuple[tuple[int, float], ...], p: float) -> float:
    """Return the mean midrange of what groups of processes, (size, value), have after a step with noise."""
    states = [
        [
            ((1 - p) ** size, v + p, v + p),
            (p**size, v + p - 1, v + p - 1),
            (1 - p**size - (1 - p) ** size, v + p - 1, v + p),
        ]
        for size, v in groups
        if size
    ]
    total = 0.0
    for case in product(*states):
        chance = float(np.prod([c for c, _, _ in case]))
        total += chance * (min(low for _, low, _ in case) + max(high for _, _, high in case)) / 2
    return total


def around_a_core(n: int) -> Groups:
    """Return majorities: the core and oneself; the core hears the first process outside of it."""
    core = tuple(range(n // 2))
    return tuple((*core, max(i, n // 2)) for i in range(n))


@dataclass(frozen=True)
class Opening(Hears):
    """Every process hears given senders in the agreement of iteration 1 alone, and everyone in the others."""

    def _groups(self, tag: Tag) -> tuple[Groups, ...]:
        return self.outer if len(tag) == 1 else self.inner if tag[0] == 1 else ()


def follows(h: float = 2.0) -> Decision:
    """Decide whether executions of two iterations, with normal noise, are the recursion that `opened` rests on."""
    return agree([_both(n, h) for n in (5, 9)], rtol=1e-9, atol=1e-12)


def _both(n: int, h: float) -> tuple[list[float], list[float]]:
    """Return x_2 and x_3 of an execution, and those of the recursion."""
    noise = stream(0, "clustersgd/opening", n).standard_normal((n, 3, 1))
    algorithm = GeneralSGD(Clusters.even(n, n), 2, 1, Constant(ETA), contraction=MID_EXTREMES.clustered, output=2)
    schedule = Opening((alone(n),), (around_a_core(n),))
    done = moments.run(algorithm, schedule, noise, np.zeros(1), curvature=-h / ETA)
    found = [float(values[i][0]) for values in iterates(done, 2) for i in range(n)]
    y = -ETA * noise[:, 1, 0]
    x = np.array([(y[list(heard)].min() + y[list(heard)].max()) / 2 for heard in around_a_core(n)])
    y = (1 + h) * x - ETA * noise[:, 2, 0]
    return found, [*x.tolist(), *[float(y.min() + y.max()) / 2] * n]
