"""Schedules that look at values: exact moments under an adversary that delivers the most extreme message first, N = 1.

The noise z of a gradient is 1/sqrt(p) or -1/sqrt(p), each with probability p/2, else 0; its variance is 1. For the
lemmas all processes are at the minimum of x^2/2 when an iteration begins, so that they send -eta z.
"""

from __future__ import annotations

from math import sqrt

from reproductions.clustersgd.moments import Theorem1Constants

N_SENDERS = 8
RARE = 0.01  # p


def over_lemma4(n: int = N_SENDERS, p: float = RARE) -> float:
    """Return E |x_i - x_j|^2 over 4 eta^2/N if i hears the largest of n messages and j the smallest."""
    neither, not_above = (1 - p) ** n, (1 - p / 2) ** n  # not_above is as well the probability that none is below
    one_sided, both = 2 * (not_above - neither - (p / 2) ** n), 1 - 2 * not_above + neither  # all above: no difference
    return (one_sided + 4 * both) / p / 4


def over_lemma6(n: int = N_SENDERS, p: float = RARE) -> float:
    """Return E |x_i|^2 over eta^2/N if i hears the one of n messages that is farthest from 0."""
    return (1 - (1 - p) ** n) / p


def over_theorem1(constants: Theorem1Constants, T: int, n: int = N_SENDERS, p: float = RARE) -> float:
    """Return E |x_i - x_j|^2 after T iterations over its bound, if halves of n hear their largest, or their smallest.

    Their difference is D_{t+1} = (1 - eta_t) D_t + eta_t (M + M'), with M and M' distributed as the maximum of n/2 z.
    """
    above, all_below = 1 - (1 - p / 2) ** (n // 2), (p / 2) ** (n // 2)
    first, second = (above - all_below) / sqrt(p), (above + all_below) / p  # moments of M
    mean, square = 0.0, 0.0
    for t in range(1, T + 1):
        eta = constants.rate.lr(t)
        square = (1 - eta) ** 2 * square + 4 * eta * (1 - eta) * mean * first + 2 * eta**2 * (second + first**2)
        mean = (1 - eta) * mean + 2 * eta * first
    return square / constants.theorem1(T, 1, internal=True)
