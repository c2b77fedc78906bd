"""Sections 3.2 and 4.2: existing algorithms as members of the family, timing, and the recursions of averages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from algorithms.coopsgd import cooperative as co
from algorithms.coopsgd.cooperative import CooperativeSGD
from reproductions.coopsgd import equations
from reproductions.coopsgd.equations import ETA, RING, STEPS, M
from reproductions.paper import Decider, Decision, close, decides, exactly

MEMBERS = {
    "coopsgd-special-sync": (co.fully_synchronous(M), equations.direct(equations.equation_2)),
    "coopsgd-special-pasgd": (co.periodic_averaging(M, 3), equations.direct(equations.equation_3(3))),
    "coopsgd-special-easgd": (
        co.elastic_averaging(M, 0.125),
        equations.direct(equations.equations_4_and_5(0.125), v=1),
    ),
    "coopsgd-special-dpsgd": (co.decentralized(RING), equations.direct(equations.equation_6)),
}
READINGS = {"by the alternative rule": True, "by rule (10)": False}
FAMILY = {
    "PASGD": co.periodic_averaging(M, 3),
    "EASGD": co.elastic_averaging(M, 0.125),
    "D-PSGD": co.decentralized(RING),
    "EASGD by rule (10), tau = 2": replace(co.elastic_averaging(M, 0.125, tau=2), alternative=False),
    "decentralized periodic": co.decentralized_periodic(RING, 2),
    "generalized elastic": co.generalized_elastic(RING, 0.25),
    "hierarchical": co.hierarchical_averaging([2, 2], 0.25, 0.125, tau=2),
}


@decides("coopsgd-special-sync", "coopsgd-special-pasgd")
def test_members_of_the_family_are_their_equations(claim: Decider) -> None:
    algorithm, wanted = MEMBERS[claim.claim.id]
    claim.decide(*_same(equations.trajectory(algorithm), wanted))


@decides("coopsgd-special-easgd", "coopsgd-special-dpsgd")
def test_members_of_the_family_are_their_equations_by_one_of_the_rules(claim: Decider) -> None:
    algorithm, wanted = MEMBERS[claim.claim.id]
    rules = {name: replace(algorithm, alternative=algorithm.alternative == first) for name, first in READINGS.items()}
    found = {name: _same(equations.trajectory(member), wanted) for name, member in rules.items()}
    text = "; ".join(f"{name} {difference}" for name, (_, difference) in found.items())
    claim.decide_readings({name: decision for name, (decision, _) in found.items()}, text)


@decides("coopsgd-eq14-averaged-recursion")
def test_mean_model(claim: Decider) -> None:
    got, wanted = [], []
    for algorithm in FAMILY.values():
        for x, after in _pairs(algorithm):
            # (14) times m+v: eta_eff (m+v)/m = eta, and no division rounds
            got.append(after.sum(dim=0))
            wanted.append(x.sum(dim=0) - ETA * equations.gradient(x[:M]).sum(dim=0))
    claim.decide(*_same(got, wanted))


@decides("coopsgd-eq10-timing")
def test_timing(claim: Decider) -> None:
    got, wanted = [], []
    for tau in (1, 2, 3):
        for k, (x, after) in enumerate(_pairs(co.periodic_averaging(M, tau)), start=1):
            local = x - ETA * equations.gradient(x)
            got.append(after)
            wanted.append(local.mean(dim=0).expand_as(local) if k in range(tau, STEPS + 1, tau) else local)
    claim.decide(*_same(got, wanted))


@decides("coopsgd-sec33-auxiliary-chain")
def test_auxiliary_variables_between_averagings(claim: Decider) -> None:
    tau = 3
    start = torch.zeros(M + 1, equations.D, dtype=torch.float64)
    models = [start, *equations.trajectory(co.elastic_averaging(M, 0.125, tau))]
    z = {k: x[M:] for k, x in enumerate(models, start=1)}
    printed = [(z[2 * tau], z[tau])]  # j = 2: z_{2 tau} = z_tau
    chain = [(z[k], z[(j - 1) * tau + 1]) for j in (1, 2) for k in range((j - 1) * tau + 1, j * tau + 1)]
    (literal, apart), (used, together) = (_same(*zip(*pairs, strict=True)) for pairs in (printed, chain))
    claim.decide_misprint(literal, used, f"between averagings {together}; as printed {apart}")


@decides("coopsgd-eq79-discrepancy")
def test_disagreement(claim: Decider) -> None:
    got, by_products, by_periods = [], [], []
    for algorithm in FAMILY.values():
        rule10 = replace(algorithm, alternative=False)
        gradients: list[Tensor] = []
        for k, (x, _) in enumerate(_pairs(rule10), start=1):
            got.append(_centred(x.T))
            by_products.append(-ETA * sum((g @ _phi(rule10, s, k) for s, g in enumerate(gradients, 1)), 0 * x.T))
            by_periods.append(-ETA * _over_periods(rule10, gradients, k, 0 * x.T))
            gradients.append(_gradient_matrix(rule10, x))
    flat = [torch.cat([matrix.ravel() for matrix in matrices]).numpy() for matrices in (got, by_products, by_periods)]
    largest = max(abs(flat[0] - other).max() for other in flat[1:])
    decision = close([flat[0], flat[0]], [flat[1], flat[2]], rtol=0, atol=1e-12)
    claim.decide(decision, f"largest difference {largest:.1g} over {len(flat[0])} numbers")


# ---------------------------------------------------------------------------------------------------- measurement


def _pairs(algorithm: CooperativeSGD) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield X_k and X_{k+1} for k = 1, 2, ..."""
    models = equations.trajectory(algorithm)
    yield from zip([torch.zeros_like(models[0]), *models[:-1]], models, strict=True)


def _same(got: Sequence[Tensor], wanted: Sequence[Tensor]) -> tuple[Decision, str]:
    """Decide bitwise equality; also return the largest difference as a text."""
    ours, theirs = (torch.cat([x.ravel() for x in tensors]).numpy() for tensors in (got, wanted))
    return exactly(ours, theirs), f"largest difference {abs(ours - theirs).max():.3g} over {len(ours)} numbers"


def _gradient_matrix(algorithm: CooperativeSGD, x: Tensor) -> Tensor:
    """Return G_k of (9), (d, m + v)."""
    return torch.cat([equations.gradient(x[:M]), torch.zeros_like(x[M:])]).T


def _centred(x: Tensor) -> Tensor:
    """Return X (I - J)."""
    return x - x.mean(dim=1, keepdim=True)


def _phi(algorithm: CooperativeSGD, s: int, k: int) -> Tensor:
    """Return Phi_{s,k-1} - J, the product of W_s ... W_{k-1}."""
    w, product = torch.from_numpy(algorithm.W), torch.eye(len(algorithm.weights), dtype=torch.float64)
    for step in range(s, k):
        product = product @ w if step % algorithm.tau == 0 else product
    return _centred(product)


def _over_periods(algorithm: CooperativeSGD, gradients: list[Tensor], k: int, total: Tensor) -> Tensor:
    """Return sum_r Y_r (W^(j-r) - J) of (85), for k = j tau + i with 1 <= i <= tau."""
    w, tau, j = torch.from_numpy(algorithm.W), algorithm.tau, (k - 1) // algorithm.tau
    for r in range(j + 1):
        for g in gradients[r * tau : (r + 1) * tau]:
            total = total + g @ _centred(torch.linalg.matrix_power(w, j - r))
    return total
