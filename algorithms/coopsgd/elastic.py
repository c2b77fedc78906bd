"""Mixing matrices with auxiliary variables: elastic averaging, its generalization and hierarchies of groups.

Wang & Joshi, "Cooperative SGD", equations (11) and (23), lemmas 1 and 2, figure 6. The m workers come first, the v
auxiliary variables are the last rows and columns. All matrices are symmetric with rows that sum to one.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np

from algorithms.topology import Matrix, check_mixing, zeta


def elastic(mixing: Matrix, alpha: float) -> Matrix:
    """Return W' of equation (23): ``[[(1 - alpha) W, alpha 1], [alpha 1^T, 1 - m alpha]]``; W = I gives W_alpha (11).

    Parameters
    ----------
    mixing
        W, (m, m).
    alpha
        Elasticity. zeta(W') < 1 needs 0 < alpha < 2/(m + 1), which is not checked here.

    Returns
    -------
    Matrix
        (m + 1, m + 1).
    """
    check_mixing(mixing)
    m = len(mixing)
    pull = np.full((m, 1), alpha)
    return np.block([[(1 - alpha) * mixing, pull], [pull.T, np.array([[1 - m * alpha]])]])


def best_alpha(mixing: Matrix) -> float:
    """Return the alpha of lemma 2 with the smallest zeta(W'), (1 + zeta)/(m + 1 + zeta); lemma 1 is W = I, zeta = 1."""
    second = zeta(mixing)
    return (1 + second) / (len(mixing) + 1 + second)


def check_alpha(alpha: float, m: int) -> None:
    """Raise `ValueError` unless 0 < alpha < 2/(m + 1), the range in which zeta < 1.

    The paper prints 0 <= alpha, but at alpha = 0 nothing is ever averaged and zeta is 1.
    """
    if not 0 < alpha < 2 / (m + 1):
        raise ValueError(f"alpha is {alpha}, but {m} workers need 0 < alpha < 2/(m + 1) = {2 / (m + 1):.6g}")


def hierarchical(groups: Sequence[int], alpha: float, beta: float) -> Matrix:
    """Return the matrix of figure 6: groups of workers that meet only through auxiliary variables of their own.

    With B the m x v membership of workers in groups, s_g the sizes of the groups and L the Laplacian of the complete
    graph of auxiliary variables,

        W = [[(1 - alpha) I, alpha B], [alpha B^T, diag(1 - alpha s_g) - beta L]].

    The paper gives the structure and no weights. For v groups of s workers each, the eigenvalues are 1 - alpha, m - v
    times, and for mu = 0 once and mu = v (v - 1) times those of
    ``[[1 - alpha, alpha sqrt(s)], [alpha sqrt(s), 1 - alpha s - beta mu]]``.

    Parameters
    ----------
    groups
        Number of workers of every group.
    alpha
        Weight between a worker and the auxiliary variable of its group.
    beta
        Weight between two auxiliary variables; not used if there is one group.

    Raises
    ------
    ValueError
        If a group is empty.
    """
    if not groups or min(groups) < 1:
        raise ValueError(f"every group needs at least one worker, but the sizes are {list(groups)}")
    m, v = sum(groups), len(groups)
    membership = np.repeat(np.eye(v), groups, axis=0)
    laplacian = nx.laplacian_matrix(nx.complete_graph(v)).toarray()
    anchors = np.diag(1 - alpha * np.array(groups)) - beta * laplacian
    return np.block([[(1 - alpha) * np.eye(m), alpha * membership], [alpha * membership.T, anchors]])
