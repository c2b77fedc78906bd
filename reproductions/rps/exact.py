"""Moments of the random mixing matrices of reduce-scatter / all-gather averaging under drops (RPS, arXiv 1810.07766).

One block of the model. Its owner b is uniform in the n workers. Every other worker's block reaches the owner with
probability q = 1 - p, the owner averages what it has (its own block always), and every other worker receives the
average with probability q or keeps its own block; all of it independent. That is X_{t+1} = V_t W_t (Eq. 4) with senders
on the rows of W and receivers on its columns.

The paper calls the exact expressions too complex (Sec. 4.2) and prints bounds as if they were equalities. They are
short. With the mean of a geometric series g_k = (1 + p + ... + p^(k-1))/k, so that an average of n blocks holds the
owner's with expected weight g_n, and N = n - 1, the squared norms of W and of its row sums give

    E[W]       = a      I + (1 - a)      A_n,    a      = p (1 - (1 - g_n)/N)                            (Lemma 6)
    E[W W^T]   = alpha1 I + (1 - alpha1) A_n,    alpha1 = p (1 - g_n + g_N)                              (Lemma 7)
    E[W A W^T] = alpha2 I + (1 - alpha2) A_n,    alpha2 = p q S / (n^2 N)                                (Lemma 8)
    S = (N - 1)(N + (N + 2) q N g_N) + (N + 3) N g_N + sum_{k=0}^{N-1} (N - k) p^k

whose terms are all positive, hence stable. The form a I + (1-a) A_n needs an owner redrawn in every step.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Coefficient = Callable[[ArrayLike, ArrayLike], Array]
"""A coefficient as a function of n and p."""

_MOST_WORKERS_TO_ENUMERATE = 5


class Moments(NamedTuple):
    """E[W], E[W W^T] and E[W A_n W^T] of Lemmas 6, 7 and 8, each (n, n)."""

    mean: Array
    second: Array
    averaged: Array


def mixing_matrix(owner: int, sent: ArrayLike, received: ArrayLike) -> Array:
    """Return W of Eq. (4) for one outcome of one block's reduce-scatter and all-gather.

    Parameters
    ----------
    owner
        Worker that averages the block.
    sent, received
        bool (n,): whose block reached the owner, and whom the average reached. The owner's entries do not count: it
        always has its own block and its own average.

    Raises
    ------
    ValueError
        If the two are not vectors of one length or the owner is not one of the workers.
    """
    contributes, gets = np.array(sent, dtype=bool), np.array(received, dtype=bool)
    if contributes.ndim != 1 or contributes.shape != gets.shape:
        raise ValueError(f"sent and received are bool (n,), but their shapes are {contributes.shape} and {gets.shape}")
    _check_owner(owner, len(gets))
    contributes[owner] = gets[owner] = True
    average = contributes / contributes.sum()
    mixing: Array = np.where(gets, average[:, None], np.eye(len(gets)))
    return mixing


def enumerate_moments(n: int, p: float, owner: int | None = None) -> Moments:
    """Return the exact moments as a sum over all outcomes of both phases, for a random owner or a fixed one.

    Raises
    ------
    ValueError
        If n is not in 2..5 (4^(n-1) outcomes for every owner), p not in [0, 1] or the owner not one of the workers.
    """
    _check_enumerable(n, p)
    owners = range(n) if owner is None else [owner]
    _check_owner(owners[0], n)
    moments = np.zeros((3, n, n))
    for who, outcome in product(owners, product([False, True], repeat=2 * (n - 1))):
        phases = np.insert(np.reshape(outcome, (2, n - 1)), who, True, axis=1)
        probability = (1 - p) ** sum(outcome) * p ** (len(outcome) - sum(outcome)) / len(owners)
        moments += probability * _products(mixing_matrix(who, *phases))
    return Moments(*moments)


def enumerate_servers(n: int, p: float) -> Moments:
    """Return the exact moments for a server that is none of the n workers, as a sum over all outcomes of both phases.

    The average is of the blocks that arrive; if none does, nobody receives one and W is the unit matrix.

    Raises
    ------
    ValueError
        As for `enumerate_moments`.
    """
    _check_enumerable(n, p)
    moments = np.zeros((3, n, n))
    for outcome in product([False, True], repeat=2 * n):
        contributes, gets = np.reshape(outcome, (2, n))
        probability = (1 - p) ** sum(outcome) * p ** (len(outcome) - sum(outcome))
        average = contributes / max(contributes.sum(), 1)
        mixing = np.where(gets & contributes.any(), average[:, None], np.eye(n))
        moments += probability * _products(mixing)
    return Moments(*moments)


def self_weight(n: ArrayLike, p: ArrayLike) -> Array:
    """Return the coefficient a of Lemma 6, E[W] = a I + (1 - a) A_n, exactly.

    The paper calls it alpha_1 as well, but it is not the alpha_1 of Lemma 7.

    Parameters
    ----------
    n
        Number of workers, integers >= 2.
    p
        Probability that a message is lost, in [0, 1]; broadcast against n.

    Raises
    ------
    ValueError
        If n or p is out of range.
    """
    n, p = _checked(n, p)
    weight: Array = p * (n - 2 + _geometric(n, p) / n) / (n - 1)
    return weight


def alpha1(n: ArrayLike, p: ArrayLike) -> Array:
    """Return alpha_1 of Eq. (5) and Lemma 7 exactly; 0 at p = 0, 1 at p = 1. Arguments as in `self_weight`."""
    n, p = _checked(n, p)
    value: Array = p * (1 - _geometric(n, p) / n + _geometric(n - 1, p) / (n - 1))
    return value


def alpha2(n: ArrayLike, p: ArrayLike) -> Array:
    """Return alpha_2 of Eq. (6) and Lemma 8 exactly; 0 at p = 0 and at p = 1. Arguments as in `self_weight`."""
    n, p = _checked(n, p)
    others, q, series = n - 1, 1 - p, _geometric(n - 1, p)
    total = (others - 1) * (others + (others + 2) * q * series) + (others + 3) * series + _weighted_geometric(n, p)
    value: Array = p * q * total / (n**2 * others)
    return value


def beta(n: ArrayLike, p: ArrayLike) -> Array:
    """Return beta = alpha_1 - alpha_2 (Sec. 5), the factor E[W (I - A_n) W^T] = beta (I - A_n) of Eq. (22)."""
    return alpha1(n, p) - alpha2(n, p)


def printed_alpha1(n: ArrayLike, p: ArrayLike) -> Array:
    """Return alpha_1 as printed in Lemma 7, with the minus signs of T_1 as in the proof.

    It is printed as an equality and is none: an upper bound for n >= 3, below the exact value for n = 2.
    """
    n, p = _checked(n, p)
    t1, t2 = _printed_t1(n, 1 - p), _printed_t2(n, 1 - p)
    value: Array = (n * p + (1 - p) ** n + n * t1 + n * t2 - 1) / (n - 1)
    return value


def printed_alpha2(n: ArrayLike, p: ArrayLike, *, t3_of_proof: bool = False) -> Array:
    """Return alpha_2 as printed in Lemma 8, which is an upper bound that tends to 1/n, not to 0, as p -> 0.

    Parameters
    ----------
    n, p
        As in `self_weight`.
    t3_of_proof
        Use the factor (n-1)/n of the proof's T_3 instead of n/(n-1) of the statement, which is the right one.
    """
    n, p = _checked(n, p)
    q = 1 - p
    factor = (n - 1) / n if t3_of_proof else n / (n - 1)
    t3 = factor * (1 - p ** (n - 1) - q ** (n - 1)) + q ** (n - 1)
    own = (p * (1 + 2 * t3) + q ** (n - 1)) / n
    value: Array = own + 2 * p * q**n / n + p**n * q / n**2 + _printed_t1(n, q) + _printed_t2(n, q)
    return value


def printed_beta(n: ArrayLike, p: ArrayLike) -> Array:
    """Return alpha_1 - alpha_2 as printed in Lemmas 7 and 8, a difference of bounds; arguments as in `self_weight`."""
    return printed_alpha1(n, p) - printed_alpha2(n, p)


def _checked(n: ArrayLike, p: ArrayLike) -> tuple[Array, Array]:
    workers, lost = np.asarray(n, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if not np.all((workers >= 2) & (workers == np.floor(workers))):
        raise ValueError(f"n is {workers}, but the number of workers is an integer >= 2")
    if not np.all((lost >= 0) & (lost <= 1)):
        raise ValueError(f"p is {lost}, but the probability of a drop is in [0, 1]")
    return workers, lost


def _check_enumerable(n: int, p: float) -> None:
    _checked(n, p)
    if n > _MOST_WORKERS_TO_ENUMERATE:
        raise ValueError(f"n is {n}, but enumeration is for n <= {_MOST_WORKERS_TO_ENUMERATE}: use the closed forms")


def _products(mixing: Array) -> Array:
    """Return W, W W^T and W A_n W^T, (3, n, n)."""
    sums = mixing.sum(axis=1)
    return np.stack([mixing, mixing @ mixing.T, np.outer(sums, sums) / len(mixing)])


def _check_owner(owner: int, n: int) -> None:
    if not 0 <= owner < n:
        raise ValueError(f"the owner is worker {owner}, but the workers are 0..{n - 1}")


def _geometric(k: Array, p: Array) -> Array:
    """Return 1 + p + ... + p^(k-1) without cancellation, for k >= 1 and 0 <= p <= 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        total: Array = np.where(p == 1, k, -np.expm1(k * np.log(p)) / (1 - p))
    return total


def _weighted_geometric(n: Array, p: Array) -> Array:
    """Return sum_{k=0}^{n-2} (n-1-k) p^k = (n - _geometric(n, p))/q, by its Taylor series in q where that cancels."""
    q = 1 - p
    series = np.ones_like(n * q)
    for i in range(9, 0, -1):  # sum_i C(n, i+2) (-q)^i in Horner's order; the rest is below 1e-16 for n q < 0.1
        series = 1 - (n - 1 - i) / (i + 2) * q * series
    with np.errstate(divide="ignore", invalid="ignore"):
        total: Array = np.where(n * q < 0.1, n * (n - 1) / 2 * series, (n - _geometric(n, p)) / q)
    return total


def _printed_t1(n: Array, q: Array) -> Array:
    """Return T_1 = 2 P(3 <= Bin(n+1, q) <= n)/(n (n+1) q^2): the printed numerator is that probability."""
    return _per(2 * _binomial_between(3, n + 1, q), n * (n + 1) * q**2)


def _printed_t2(n: Array, q: Array) -> Array:
    """Return T_2 = P(2 <= Bin(n, q) <= n-1)/((n-1) q), likewise."""
    return _per(_binomial_between(2, n, q), (n - 1) * q)


def _binomial_between(least: int, trials: Array, q: Array) -> Array:
    """Return P(least <= Bin(trials, q) <= trials - 1)."""
    from scipy.special import betainc

    between: Array = betainc(least, trials - least + 1, q) - q**trials
    return between


def _per(numerator: Array, denominator: Array) -> Array:
    """Divide, with the limit 0 of T_1 and T_2 where nothing arrives (q = 0)."""
    with np.errstate(invalid="ignore"):
        quotient: Array = np.where(denominator > 0, numerator / denominator, 0)
    return quotient
