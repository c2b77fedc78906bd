"""Figure 1 and algorithm 1: the steps of the ring, what travels, and what every worker ends with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from algorithms.blocks import partition
from algorithms.qprsgd import Codec, Dense, RingQPRSGD
from algorithms.quantize import Quantizer
from algorithms.streams import kernel_key, stream
from algorithms.world import World
from reproductions.harness.decisions import agree, all_of, close, exactly
from reproductions.harness.plugin import decides
from reproductions.harness.verdicts import Decider
from reproductions.qprsgd.rounding import Levels

WORKERS = (2, 3, 4, 5, 8)
D = 840  # every number of workers divides it
S = 11


def algorithm(K: int, codec: Codec) -> RingQPRSGD:
    """Return the algorithm under test."""
    return RingQPRSGD(K, codec)


@decides("qprsgd-rar-steps")
def test_steps(claim: Decider) -> None:
    messages, shares = [], []
    for M in WORKERS:
        world, _ = _synchronized(M, Dense(), torch.float32)
        messages.append(world.traffic.sent_messages / (2 * (M - 1)))
        shares += [(world.traffic.sent_bytes + world.traffic.received_bytes) / (4 * D) / (4 * (M - 1) / M)]
    counts = exactly(np.concatenate(messages), np.ones(sum(WORKERS)))
    volume = close(np.concatenate(shares), np.ones(sum(WORKERS)), rtol=1e-12, atol=0)
    claim.decide(all_of(counts, volume), "3 + 3 messages and 3/2 of the model each way at M = 4")


@decides("qprsgd-rar-volume")
def test_volume(claim: Decider) -> None:
    ratios, text = [], ""
    for M in WORKERS:
        world, _ = _synchronized(M, Dense(), torch.float32)
        steps = 2 * (M - 1)
        server = M * 4 * D  # what a dedicated server receives from M workers
        ratios.append(server / (world.traffic.received_bytes.sum() / steps))
        if M == 8:
            text = f"{ratios[-1]:.0f} times a step at M = 8; a synchronization: {server / _busiest(world):.2f} times"
    claim.decide(close(ratios, np.array(WORKERS, dtype=float), rtol=1e-12, atol=0), text)


@decides("qprsgd-rar-consistent-model")
def test_consistent(claim: Decider) -> None:
    differing = []
    for M in WORKERS:
        for codec in (Quantizer(S), Quantizer(S, wire="elias"), Dense()):
            _, x = _synchronized(M, codec, torch.float32, K=3, steps=9)
            differing.append(float((x != x[0]).sum()))
    text = "0 of all elements of all replicas differ after 3 synchronizations"
    claim.decide(exactly(differing, np.zeros(len(differing))), text)


@decides("qprsgd-alg1-order")
def test_order(claim: Decider) -> None:
    printed, nested, plain = [], [], []
    for M in WORKERS:
        g = _gradients(M, 0)
        _, x = _synchronized(M, Quantizer(S), torch.float32)
        nested.append((x[0], -_nested(g.float()) * (1 / M)))
        _, exact = _synchronized(M, Levels(None), torch.float64)
        plain.append((exact[0], -g.mean(dim=0)))
        printed.append((_as_printed(g, sign=1) / M, g.mean(dim=0)))
    bitwise, right = agree(nested, rtol=0), agree(plain, rtol=1e-12, atol=1e-14)
    wrong = agree(printed, rtol=1e-6, atol=1e-6)
    # the same literal reading with (m - i) in the place of (m + i) sums up: the index alone is wrong
    repaired = [(_as_printed(_gradients(M, 0), sign=-1) / M, _gradients(M, 0).mean(dim=0)) for M in WORKERS]
    again = agree(repaired, rtol=1e-12, atol=1e-14)
    missing = [f"{_share(M):.2f} at M = {M}" for M in (2, 3, 4, 8)]
    claim.decide_erratum(wrong, all_of(bitwise, right, again), f"printed index sums up {', '.join(missing)} of it")


# ---------------------------------------------------------------------------------------------------- measurement


def _synchronized(M: int, codec: Codec, dtype: torch.dtype, K: int = 1, steps: int = 1) -> tuple[World, Tensor]:
    """Return the ledger and the models after some iterations with step size 1."""
    world, x = World(None, M), torch.zeros(M, D, dtype=dtype)
    ring = algorithm(K, codec)
    state = ring.state(world, x)
    for t in range(steps):
        ring.step(world, x, _gradients(M, t).to(dtype), state, t, 1.0)
    return world, x


def _gradients(M: int, t: int) -> Tensor:
    return torch.from_numpy(stream(0, "gradients", M, t).standard_normal((M, D)))


def _busiest(world: World) -> float:
    return float(world.traffic.received_bytes.max())


def _nested(g: Tensor) -> Tensor:
    """Return Q(... Q(Q(g^(1)) + g^(2)) ... + g^(M)) of every part, by the random streams of the workers."""
    M, sums = len(g), torch.empty(D)
    for j, part in enumerate(partition(D, M)):
        partial = torch.zeros(part.stop - part.start)
        for i in range(M):  # part j starts at worker j and goes once around the ring
            worker = (j + i) % M
            partial = Quantizer(S).quantize(partial + g[worker, part], kernel_key(0, "quantize", worker, i))
        sums[part] = partial
    return sums


def _as_printed(g: Tensor, sign: int) -> Tensor:
    """Follow lines 8 to 16 of algorithm 1 to the letter, without compression, with part (m + sign i) mod M."""
    M, parts = len(g), partition(D, len(g))
    known: list[dict[int, Tensor]] = [{m: torch.zeros(D // M, dtype=torch.float64)} for m in range(M)]  # line 8
    for i in range(M):
        sent = {}
        for m, delta in enumerate(known):
            j = (m + sign * i) % M
            delta[j] = delta.get(j, torch.zeros_like(g[m, parts[j]])) + g[m, parts[j]]  # line 12
            sent[(m + 1) % M] = j, delta[j]
        for m, (j, part) in sent.items():  # line 13; line 12 receives it
            known[m][j] = part
    return torch.cat([known[m][m] for m in range(M)])  # lines 15 and 16


def _share(M: int) -> float:
    """Return how much of the sum of M equal updates the printed index delivers."""
    return float(_as_printed(torch.ones(M, D, dtype=torch.float64), sign=1).mean()) / M
