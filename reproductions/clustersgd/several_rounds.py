"""Adversaries over many rounds of algorithm 3: who hears whom is chosen by looking at the values.

With singleton clusters (n = m = 2 k + 1) a process waits for k + 1 messages, its own among them. `polygon` keeps the
values apart for ever: k + 1 processes, the core, hear each other and stay at their common value c; k free ones lie on a
regular k-gon around c. Each free process hears itself, one other free process just over 60 degrees along the polygon,
and k - 1 of the core. That other one is its farthest value, so both rules move it to their midpoint: again a regular
k-gon, smaller by cos(angle/2). Its squared diameter falls by cos^2(angle/2) a round, up to 3/4 for large k, which no
schedule with a value that stays can exceed (lemma 17). `climb` searches from there and from random values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import cos, pi
from pathlib import Path

import numpy as np

from algorithms.clustersgd.agreement import ClusterAgreement, Rule
from algorithms.clustersgd.model import Clusters
from algorithms.streams import stream
from reproductions.clustersgd import midpoints
from reproductions.clustersgd.midpoints import Points
from reproductions.clustersgd.schedules import Groups, Hears, agree, diameter, rounds

KEPT = Path(__file__).with_name("worst")


@dataclass(frozen=True)
class Attack:
    """Inputs, and for every round the senders that each process hears, for singleton clusters.

    Parameters
    ----------
    inputs
        n vectors of d coordinates.
    heard
        For every round and process the senders it hears, itself among them.
    """

    inputs: tuple[tuple[float, ...], ...]
    heard: tuple[Groups, ...]

    @property
    def majority(self) -> bool:
        """Whether every process hears itself and a majority, as algorithm 3 has it."""
        n = len(self.inputs)
        return all(i in row and len(set(row)) > n // 2 for groups in self.heard for i, row in enumerate(groups))

    @property
    def start(self) -> Points:
        """Inputs, (n, d)."""
        return np.array(self.inputs)


def polygon(steps: int, repeats: int) -> Attack:
    """Return the attack of k = 6 `steps` - 1 free processes over so many rounds; an angle is `steps` sides."""
    k = 6 * steps - 1
    angles = 2 * pi * np.arange(k) / k
    start = np.vstack([np.column_stack([np.cos(angles), np.sin(angles)]), np.zeros((k + 1, 2))])
    core = tuple(range(k, 2 * k + 1))
    free = [tuple(sorted({i, (i + steps) % k, *core[: k - 1]})) for i in range(k)]
    groups = (*free, *[core] * (k + 1))
    return Attack(tuple(map(tuple, start.tolist())), (groups,) * repeats)


def factor_of_polygon(steps: int) -> float:
    """Return by what the squared diameter of `polygon` falls in a round: cos^2 of half the angle."""
    return cos(pi * steps / (6 * steps - 1)) ** 2


def executed(attack: Attack, rule: Rule) -> list[float]:
    """Run an attack as an execution of algorithm 3; return the squared diameters before and after every round."""
    n, count = len(attack.inputs), len(attack.heard)
    algorithm = ClusterAgreement(Clusters.even(n, n), rule.clustered**count, rule)
    start = list(attack.start)
    done = agree(algorithm, start, Hears(attack.heard), 0)
    return [diameter(values) for values in rounds(algorithm, start, done)]


def computed(attack: Attack, rule: Rule) -> float:
    """Return the factor a round of an attack without a scheduler: what every process computes of what it hears."""
    x = attack.start
    first = midpoints.diameter(x)
    for groups in attack.heard:
        x = np.array([rule.aggregate([x[j] for j in row], x[i]) for i, row in enumerate(groups)])
    return float((midpoints.diameter(x) / first) ** (1 / len(attack.heard)))


def climb(start: Attack, rule: Rule, tries: int, seed: int = 0) -> Attack:
    """Return the worst attack that changes of inputs and of who hears whom find, one after the other.

    A change is kept if the factor a round does not fall. Every process goes on hearing itself and a majority.
    """
    rng = stream(seed, "clustersgd/climb")
    best, value = start, computed(start, rule)
    for _ in range(tries):
        other = _moved(best, rng) if rng.random() < 0.6 else _rewired(best, rng)
        if (found := computed(other, rule)) >= value:
            best, value = other, found
    return best


def scattered(n: int, d: int, count: int, seed: int) -> Attack:
    """Return random inputs, and random majorities in every round."""
    rng = stream(seed, "clustersgd/scattered")
    heard = tuple(tuple(_row(i, n, rng) for i in range(n)) for _ in range(count))
    return Attack(tuple(map(tuple, rng.standard_normal((n, d)).tolist())), heard)


def kept(name: str) -> Attack:
    """Read an attack that a search has found, from JSON with the fields of `Attack`."""
    found = json.loads((KEPT / f"{name}.json").read_text())
    heard = tuple(tuple(tuple(row) for row in groups) for groups in found["heard"])
    return Attack(tuple(map(tuple, found["inputs"])), heard)


def _row(i: int, n: int, rng: np.random.Generator) -> tuple[int, ...]:
    others = rng.permutation([j for j in range(n) if j != i])[: n // 2]
    return tuple(sorted([i, *others.tolist()]))


def _moved(attack: Attack, rng: np.random.Generator) -> Attack:
    x = attack.start
    step = 10 ** rng.uniform(-4, -0.5) * np.sqrt(midpoints.diameter(x))
    x = x + step * rng.standard_normal(x.shape) * (rng.random(len(x)) < 0.3)[:, None]
    return replace(attack, inputs=tuple(map(tuple, x.tolist())))


def _rewired(attack: Attack, rng: np.random.Generator) -> Attack:
    r, i = int(rng.integers(len(attack.heard))), int(rng.integers(len(attack.inputs)))
    groups = list(attack.heard[r])
    groups[i] = _row(i, len(attack.inputs), rng)
    return replace(attack, heard=(*attack.heard[:r], tuple(groups), *attack.heard[r + 1 :]))
