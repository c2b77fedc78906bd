"""Section IV-B: the recursion of algorithm 2, the spectrum of W and what the analysis asks of s."""

from __future__ import annotations

from itertools import product
from math import cos, pi, sqrt

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from algorithms.qprsgd.gossip import GossipQPRSGD
from algorithms.qprsgd.messages import Codec
from algorithms.qprsgd.quantize import Quantizer
from algorithms.streams import kernel_key, stream
from algorithms.topology import Matrix, complete, metropolis, ring, star, torus, uniform, value, zeta
from algorithms.world import World
from reproductions.paper import Decider, agree, all_of, close, decides, exactly, searched
from reproductions.qprsgd.problems import spectrum
from reproductions.qprsgd.recipes import BITS12, PARAMETERS
from reproductions.qprsgd.recorded import Recorded, possible
from reproductions.qprsgd.rounding import Levels

NETWORKS = ((2, uniform(complete(2))), (5, uniform(ring(5))), (6, metropolis(star(6))))
S = 11


def algorithm(K: int, codec: Codec, W: Matrix) -> GossipQPRSGD:
    """Return the algorithm under test."""
    return GossipQPRSGD(K, codec, value(W))


@decides("qprsgd-alg2-recursion")
def test_recursion(claim: Decider) -> None:
    cases = [(W, K, s) for (_, W), K, s in product(NETWORKS, (1, 3), (4, None))]
    followed = [_follow(W, K, s) for W, K, s in cases]
    codecs = Quantizer(S), Quantizer(S, wire="elias")
    valid = [_hops(W, K, codec) for (_, W), K, codec in product(NETWORKS, (1, 3), codecs)]
    largest = max(float((found - wanted).abs().max()) for found, wanted in followed)
    text = f"largest difference {largest:.1e} after 4 synchronizations; {sum(valid)} of {len(valid)} float32 runs valid"
    claim.decide(all_of(agree(followed, rtol=0, atol=1e-12), exactly(valid, np.ones(len(valid)))), text)


@decides("qprsgd-rho-definition")
def test_rho(claim: Decider) -> None:
    found = [zeta(uniform(ring(M))) for M in (4, 8, 16)]
    closed = [max(abs(1 + 2 * cos(2 * pi * k / M)) / 3 for k in range(1, M)) for M in (4, 8, 16)]
    graphs = [uniform(ring(5)), uniform(torus(3, 3)), metropolis(star(7)), uniform(complete(4))]
    powers = [float(np.linalg.norm(np.linalg.matrix_power(W - 1 / len(W), 60), 2)) ** (1 / 60) for W in graphs]
    rates = close(powers, [zeta(W) for W in graphs], rtol=0, atol=1e-9)  # the complete graph averages at once: 0
    decision = all_of(close(found, closed, rtol=1e-12, atol=0), close(found, [1 / 3, 0.8047, 0.9493], 0, 5e-5), rates)
    claim.decide(decision, ", ".join(f"{rho:.4f}" for rho in found) + " for M = 4, 8, 16")


@decides("qprsgd-gossip-precondition")
def test_precondition(claim: Decider) -> None:
    fewest = {M: sqrt(PARAMETERS) * _spread(uniform(ring(M))) for M in (4, 8, 16)}
    raw = close(list(fewest.values()), [9226.5, 31501.3, 121209.3], rtol=1e-5, atol=0)
    beyond = searched([BITS12.s / s for s in fewest.values()], "2047 / needed s on rings of 4, 8 and 16 workers")
    # (1 - lambda_min) >= (1 - lambda_2) and 1 - rho <= 1 - lambda_2: mu/(1-rho) >= 1 for every W, so s > sqrt(d)
    rng = stream(0, "mixing")
    every = [_spread(W) for W in [*_lazy(rng), uniform(complete(4)), uniform(torus(3, 4)), metropolis(star(5))]]
    any_graph = searched([1 / share for share in every], "(1 - rho)/mu of random and regular W")
    # on a ring no weights help: the ratio of the extreme eigenvalues of the Laplacian does not depend on their scale
    rings = [_spread(np.eye(8) + w * 3 * (uniform(ring(8)) - np.eye(8))) for w in np.linspace(0.02, 0.45, 60)]
    no_weights = searched([_spread(uniform(ring(8))) / share for share in rings], "ring of 8, weights 0.02 to 0.45")
    text = ", ".join(f"s > {s:.0f} ({_bits(s)} bits) at M = {M}" for M, s in fewest.items())
    claim.decide(all_of(raw, beyond, any_graph, no_weights), f"{text}; any graph: s > {sqrt(PARAMETERS):.0f}")


# ---------------------------------------------------------------------------------------------------- measurement


def _problem(M: int, d: int, t: int) -> tuple[Tensor, Tensor]:
    """Return the minima of the workers and the noise of iteration t, (M, d) each."""
    minima, noise = (stream(0, name, step=t).standard_normal((M, d)) for name, t in (("minima", 0), ("noise", t)))
    return torch.from_numpy(minima), torch.from_numpy(noise)


def _follow(W: Matrix, K: int, s: int | None, syncs: int = 4, d: int = 12) -> tuple[Tensor, Tensor]:
    """Return the models of the algorithm and of (11), with C_n from the random streams of the workers."""
    M, gamma = len(W), 0.1
    world, x, wanted = World(None, M), torch.zeros(M, d, dtype=torch.float64), torch.zeros(M, d, dtype=torch.float64)
    gossip = algorithm(K, Levels(s), W)
    state = gossip.state(world, x)
    for n in range(syncs):
        moved, local = torch.zeros_like(x), wanted.clone()
        for t in range(n * K, (n + 1) * K):
            minima, noise = _problem(M, d, t)
            gossip.step(world, x, x - minima + noise, state, t, gamma)
            g = local - minima + noise
            moved, local = moved + g, local - gamma * g
        change = torch.from_numpy(W) @ wanted - gamma * moved - wanted  # Delta X_n
        keys = [kernel_key(0, "quantize", m, n * K + K - 1) for m in range(M)]
        quantized = torch.stack([Levels(s).quantize(-row, key) for row, key in zip(change, keys, strict=True)])
        wanted = wanted - quantized
    return x, wanted


def _hops(W: Matrix, K: int, codec: Quantizer, syncs: int = 3, d: int = 40) -> bool:
    """Say whether float32 messages are what (3) and (4) allow for the changes of (11), without another quantizer."""
    M, gamma, recorded = len(W), 0.1, Recorded(codec)
    world, x, right = World(None, M), torch.zeros(M, d), True
    gossip = algorithm(K, recorded, W)
    state = gossip.state(world, x)
    for n in range(syncs):
        start, moved = x.clone(), torch.zeros_like(x)
        for t in range(n * K, (n + 1) * K):
            minima, noise = (part.float() for part in _problem(M, d, t))
            g = x - minima + noise
            moved += g
            gossip.step(world, x, g, state, t, gamma)
        change = torch.from_numpy(W).float() @ start - gamma * moved - start
        sent = recorded.hops[n * M :]
        right &= len(sent) == M
        for m, (encoded, decoded) in enumerate(sent):
            right &= torch.allclose(encoded, -change[m], rtol=0, atol=1e-5) and possible(encoded, decoded, codec.s)
            right &= torch.allclose(x[m], start[m] - decoded, rtol=0, atol=1e-6)
    return right


def _spread(W: Matrix) -> float:
    """Return mu/(1 - rho)."""
    rho, mu = spectrum(W)
    return mu / (1 - rho)


def _lazy(rng: np.random.Generator) -> list[Matrix]:
    """Return random mixing matrices: lazy averages of permutations and their inverses."""
    matrices = []
    for n in (3, 5, 8, 8, 12):
        permutations = [np.eye(n)[rng.permutation(n)] for _ in range(4)]
        W = sum((p + p.T) / 8 for p in permutations)
        mixing = 0.4 * np.eye(n) + 0.6 * W
        if nx.is_connected(nx.from_numpy_array(mixing)):
            matrices.append(mixing)
    return matrices


def _bits(s: float) -> int:
    return int(np.ceil(np.log2(2 * np.ceil(s) + 1)))
