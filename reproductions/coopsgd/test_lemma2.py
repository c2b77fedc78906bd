"""Lemmas 2 and 10 and section 6.2: eigenvalues of matrices with an auxiliary variable."""

from __future__ import annotations

from itertools import product

import numpy as np

from algorithms.coopsgd import elastic
from algorithms.streams import stream
from algorithms.topology import (
    ring,
    uniform,
)
from reproductions.coopsgd import bounds
from reproductions.coopsgd.exact import network_error, network_error_by_eigenvalues
from reproductions.coopsgd.spectra import GRAPHS, apart, best, second
from reproductions.paper import (
    Decider,
    Decision,
    agree,
    all_of,
    close,
    decides,
    exactly,
)


@decides("coopsgd-lemma10-fiedler")
def test_eigenvalues_of_a_bordered_matrix(claim: Decider) -> None:
    got, wanted = [], []
    for matrix, alpha in product(GRAPHS.values(), (0.05, 0.2, 0.6)):
        m = len(matrix)
        inner = [[1 - alpha, alpha * np.sqrt(m)], [alpha * np.sqrt(m), 1 - m * alpha]]
        got += [np.sort(np.linalg.eigvalsh(inner)), np.linalg.eigvalsh(elastic.elastic(matrix, alpha))]
        gammas = [1.0, 1 - (m + 1) * alpha]
        wanted += [np.sort(gammas), np.sort([*(1 - alpha) * np.linalg.eigvalsh(matrix)[:-1], *gammas])]
    eigenvalues = agree(zip(got, wanted, strict=True), rtol=0, atol=1e-9)
    claim.decide(all_of(eigenvalues, _fiedler()), apart(np.concatenate(got), np.concatenate(wanted)))


def _fiedler() -> Decision:
    """Decide Lemma 10 itself on symmetric matrices that are not stochastic."""
    got, wanted = [], []
    for m, n, rho in ((2, 1, 0.7), (4, 3, -1.3), (6, 6, 2.0)):
        rng = stream(0, "bordered", m)
        a, b = (x + x.T for x in (rng.standard_normal((m, m)), rng.standard_normal((n, n))))
        (alphas, u), (betas, v) = np.linalg.eigh(a), np.linalg.eigh(b)
        corner = rho * np.outer(u[:, -1], v[:, -1])
        got.append(np.linalg.eigvalsh(np.block([[a, corner], [corner.T, b]])))
        gammas = np.linalg.eigvalsh([[alphas[-1], rho], [rho, betas[-1]]])
        wanted.append(np.sort(np.concatenate([alphas[:-1], betas[:-1], gammas])))
    return agree(zip(got, wanted, strict=True), rtol=0, atol=1e-9)


@decides("coopsgd-lemma2")
def test_zeta_of_generalized_elastic_averaging(claim: Decider) -> None:
    cells = [(matrix, share * 2 / (len(matrix) + 1)) for matrix in GRAPHS.values() for share in np.linspace(0, 1.2, 61)]
    found = [second(elastic.elastic(matrix, alpha)) for matrix, alpha in cells]
    printed = [max((1 - a) * second(w), abs(1 - (len(w) + 1) * a)) for w, a in cells]
    claim.decide(close(found, printed, rtol=0, atol=1e-9), f"{apart(found, printed)}, {len(GRAPHS)} graphs")


def lemma2(m: int, z: float) -> tuple[float, float]:
    """Return the best alpha of Lemma 2 and the zeta' that it makes."""
    return (1 + z) / (m + 1 + z), m * z / (m + 1 + z)


@decides("coopsgd-lemma2-best-alpha")
def test_best_alpha_of_lemma2(claim: Decider) -> None:
    matrices = [w for w in GRAPHS.values() if second(w) > 1e-9]
    searched = np.array([best(w) for w in matrices])
    printed = [lemma2(len(w), second(w)) for w in matrices]
    code = [elastic.best_alpha(w) for w in matrices]
    decision = all_of(
        close(searched, printed, rtol=0, atol=1e-8), close(code, np.array(printed)[:, 0], rtol=0, atol=1e-12)
    )
    at_ring8 = searched[[len(w) for w in matrices].index(8)]
    claim.decide(decision, "alpha = {:.4f}, zeta' = {:.4f} on a ring of 8".format(*at_ring8))


@decides("coopsgd-lemma2-improves")
def test_an_auxiliary_variable_lowers_the_floor(claim: Decider) -> None:
    smaller, at_eta, at_effective = [], [], []
    for m, z in product((2, 3, 8, 64, 1024), np.linspace(0.01, 0.999, 100)):
        _, after = lemma2(m, z)
        before, errors = bounds.network_error(1, z), bounds.network_error(1, after)
        smaller.append(after < z)
        at_eta.append(errors < before)
        at_effective.append(errors * (1 + 1 / m) ** 2 < before)
    from_matrices = [best(w)[1] < second(w) for w in GRAPHS.values() if second(w) > 1e-9]
    holds = [*smaller, *at_eta, *at_effective, *from_matrices]
    ring8 = uniform(ring(8))
    matrices = ring8, elastic.elastic(ring8, elastic.best_alpha(ring8))
    exact, by_hand = (
        [error(8, matrix) for matrix in matrices] for error in (network_error, network_error_by_eigenvalues)
    )
    lower = exactly([exact[1] * (1 + 1 / 8) ** 2 < exact[0]], [True])
    decision = all_of(exactly(holds, [True] * len(holds)), lower, close(exact, by_hand, rtol=1e-6, atol=0))
    claim.decide(decision, f"exact network error on a ring of 8 from {exact[0]:.3f} to {exact[1]:.3f}")
