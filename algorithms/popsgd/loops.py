"""Compiled loops of PopSGD on linear models; see `algorithms.popsgd.simulation`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from algorithms.compiled import LOW, UP, kernel, philox, prefetch, reassociating, use_512_bits
from algorithms.popsgd.population import Integers, Rows


class State(NamedTuple):
    """See `algorithms.popsgd.population.Population`."""

    x: Rows
    clock: Integers
    steps: Integers


class Data(NamedTuple):
    """See `algorithms.popsgd.simulation.Samples`."""

    a: Rows
    y: Rows
    batch: int
    logistic: bool
    key: Any


@kernel
def draw_rows(node: int, step: int, m: int, key: Any, rows: NDArray[np.int64]) -> None:
    """Draw the rows of a step: word b of Philox counters (b // 4, step, node, step / 2^32), times m / 2^32.

    No row is more likely than another by more than m / 2^32.
    """
    low, who, high, size = uint64(step), uint64(node), uint64(step) >> UP, uint64(m)
    for first in range(0, len(rows), 4):
        words = philox(uint64(first // 4), low, who, high, key)
        rows[first] = ((words[0] & LOW) * size) >> UP
        if first + 1 < len(rows):
            rows[first + 1] = ((words[1] & LOW) * size) >> UP
        if first + 2 < len(rows):
            rows[first + 2] = ((words[2] & LOW) * size) >> UP
        if first + 3 < len(rows):
            rows[first + 3] = ((words[3] & LOW) * size) >> UP


@reassociating
def dot(a: Rows, x: Rows) -> Any:
    """Return the scalar product."""
    total = a.dtype.type(0)
    for k in range(len(a)):
        total += a[k] * x[k]
    return total


@kernel
def slope(margin: Any, y: Any, logistic: bool) -> Any:
    """Return the derivative of phi(margin, y) by the margin."""
    return -y / (1 + math.exp(y * margin)) if logistic else margin - y


@reassociating
def add_four(x: Rows, a: Rows, y: Rows, rows: NDArray[np.int64], logistic: bool, g: Rows) -> None:
    """Add the gradients of four samples at once, which saves three of four passes over x and g."""
    use_512_bits()
    real = x.dtype.type
    a0, a1, a2, a3 = a[rows[0]], a[rows[1]], a[rows[2]], a[rows[3]]
    z0 = z1 = z2 = z3 = real(0)
    for k in range(len(x)):
        z0 += a0[k] * x[k]
        z1 += a1[k] * x[k]
        z2 += a2[k] * x[k]
        z3 += a3[k] * x[k]
    s0, s1 = real(slope(z0, y[rows[0]], logistic)), real(slope(z1, y[rows[1]], logistic))
    s2, s3 = real(slope(z2, y[rows[2]], logistic)), real(slope(z3, y[rows[3]], logistic))
    for k in range(len(x)):
        g[k] += s0 * a0[k] + s1 * a1[k] + (s2 * a2[k] + s3 * a3[k])


@kernel
def descend(x: Rows, eta: float, a: Rows, y: Rows, rows: NDArray[np.int64], logistic: bool, g: Rows) -> None:
    """X <- X - eta times the mean gradient of these rows; g is room for it."""
    real = x.dtype.type
    if len(rows) == 1:  # no sum: the gradient is not stored
        row = a[rows[0]]
        scale = real(eta) * real(slope(dot(row, x), y[rows[0]], logistic))
        for k in range(len(x)):
            x[k] -= scale * row[k]
        return
    g[:] = real(0)
    whole = len(rows) - len(rows) % 4
    for b in range(0, whole, 4):
        for ahead in rows[b + 4 : b + 8]:
            for k in range(0, len(x), 64 // x.itemsize):
                prefetch(a[ahead], uint64(k))
        add_four(x, a, y, rows[b : b + 4], logistic, g)
    for b in range(whole, len(rows)):
        row = a[rows[b]]
        s = real(slope(dot(row, x), y[rows[b]], logistic))
        for k in range(len(x)):
            g[k] += s * row[k]
    scale = real(eta) / real(len(rows))
    for k in range(len(x)):
        x[k] -= scale * g[k]


@kernel
def average(x: Rows, i: int, j: int, both: bool) -> None:
    """X^i <- (X^i + X^j)/2, and X^j too if asked."""
    half = x.dtype.type(0.5)
    for k in range(x.shape[1]):
        mean = half * (x[i, k] + x[j, k])
        x[i, k] = mean
        if both:
            x[j, k] = mean


@kernel
def tick(clock: Integers, i: int, j: int, partner: bool) -> int:
    """Let the clock with the lower time advance, that of i if they are equal; return its node.

    Without a `partner` that takes part the clock of j stays; -1 says that neither advanced.
    """
    if clock[i] <= clock[j]:
        clock[i] += 1
        return i
    if partner:
        clock[j] += 1
        return j
    return -1


@kernel
def interact_all(
    nodes: State,
    pairs: Integers,
    data: Data,
    rate: tuple[float, float, float],
    rule: tuple[bool, bool],
    watched: int,
    goal: int,
) -> int:
    """Let pairs interact until one node has made `goal` steps; return how many interactions were made.

    A rule says whether the partner takes part, and whether models are averaged.
    """
    x, clock, steps = nodes
    a, y, batch, logistic, key = data
    n, offset, b = rate
    partner, averages = rule
    rows, g = np.empty(batch, np.int64), np.empty(x.shape[1], x.dtype)
    for t in range(len(pairs)):
        if steps[watched] >= goal:
            return t
        i, j = pairs[t, 0], pairs[t, 1]
        eta_i, eta_j = b / (n * clock[i] + offset), b / (n * clock[j] + offset)
        draw_rows(i, steps[i], len(a), key, rows)
        descend(x[i], eta_i, a, y, rows, logistic, g)
        steps[i] += 1
        if partner:
            draw_rows(j, steps[j], len(a), key, rows)
            descend(x[j], eta_j, a, y, rows, logistic, g)
            steps[j] += 1
        if averages:
            average(x, i, j, partner)
        tick(clock, i, j, partner)
    return len(pairs)
