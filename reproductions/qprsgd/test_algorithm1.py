"""Figure 1 and algorithm 1: the steps of the ring, what travels, and what every worker ends with."""

from __future__ import annotations

from math import pi

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from algorithms.blocks import partition
from algorithms.qprsgd.messages import Codec, Dense
from algorithms.qprsgd.quantize import Quantizer
from algorithms.qprsgd.ring import RingQPRSGD
from algorithms.streams import kernel_key, stream
from algorithms.world import World
from reproductions.experiments.patterns import circle, draw_nodes, messages
from reproductions.paper import COLOURS, Decider, FigureFolder, agree, all_of, close, decides, exactly, panels
from reproductions.qprsgd.recorded import Recorded, possible
from reproductions.qprsgd.rounding import Levels

WORKERS = (2, 3, 4, 5, 6, 7, 8)
D = 840  # every number of workers divides it
S = 11


def algorithm(K: int, codec: Codec) -> RingQPRSGD:
    """Return the algorithm under test."""
    return RingQPRSGD(K, codec)


@decides("qprsgd-rar-steps")
def test_steps(claim: Decider, figures: FigureFolder) -> None:
    _draw_ring(figures)
    sent, shares = {}, []
    for M in WORKERS:
        world, _ = _synchronized(M, Dense(), torch.float32)
        sent[M] = world.traffic.sent_messages
        shares += [(world.traffic.sent_bytes + world.traffic.received_bytes) / (4 * D) / (4 * (M - 1) / M)]
    wanted = np.concatenate([np.full(M, 2 * (M - 1)) for M in WORKERS])
    counts = exactly(np.concatenate(list(sent.values())), wanted)
    volume = close(np.concatenate(shares), np.ones(sum(WORKERS)), rtol=1e-12, atol=0)
    claim.decide(all_of(counts, volume), f"{sent[4].max()} messages at M = 4, half of them in each phase")


@decides("qprsgd-rar-volume")
def test_volume(claim: Decider) -> None:
    step, whole = [], []
    for M in WORKERS:
        world, _ = _synchronized(M, Dense(), torch.float32)
        server = M * 4 * D  # what a dedicated server receives from M workers
        step.append(server / (world.traffic.received_bytes.sum() / (2 * (M - 1))))
        whole.append(server / float(world.traffic.received_bytes.max()))
    wanted = np.array(WORKERS, dtype=float)
    readings = {"a step": close(step, wanted, 1e-12, 0), "a synchronization": close(whole, wanted, 1e-12, 0)}
    claim.decide_readings(readings, f"at M = 8: {step[-1]:.2f} times a step, {whole[-1]:.2f} times a synchronization")


@decides("qprsgd-rar-consistent-model")
def test_consistent(claim: Decider) -> None:
    differing = []
    for M in WORKERS:
        for codec in (Quantizer(S), Quantizer(S, wire="elias"), Dense()):
            _, x = _synchronized(M, codec, torch.float32, K=3, steps=9)
            differing.append(float((x != x[0]).sum()))
    text = f"{max(differing):.0f} elements of replicas differ after 3 synchronizations"
    claim.decide(exactly(differing, np.zeros(len(differing))), text)


@decides("qprsgd-alg1-order")
def test_order(claim: Decider) -> None:
    printed, nested, plain, hops = [], [], [], []
    for M in WORKERS:
        g = _gradients(M, 0)
        _, x = _synchronized(M, Quantizer(S), torch.float32)
        nested.append((x[0], -_nested(g.float()) * (1 / M)))
        _, exact = _synchronized(M, Levels(None), torch.float64)
        plain.append((exact[0], -g.mean(dim=0)))
        printed.append((_as_printed(g, following=-1) / M, g.mean(dim=0)))
        hops += [_hops(M, codec) for codec in (Quantizer(S), Quantizer(S, wire="elias"))]
    literal, right = agree(printed, rtol=1e-12, atol=1e-14), agree(plain, rtol=1e-12, atol=1e-14)
    valid = exactly(hops, np.ones(len(hops)))
    share = _as_printed(torch.ones(4, D, dtype=torch.float64), following=1).mean() / 4
    text = f"largest error of a sum {_largest(printed):.1e}; with m + 1 as the next node {share:.2f} of it at M = 4"
    claim.decide(all_of(literal, agree(nested, rtol=0), right, valid), text)


@decides("qprsgd-alg1-recursion")
def test_recursion(claim: Decider) -> None:
    pairs = [(M, K, s) for M in (2, 3, 4) for K in (1, 2, 3) for s in (5, None)]
    followed = [_follow(M, K, s) for M, K, s in pairs]
    text = f"largest difference {_largest(followed):.1e} after 3 synchronizations"
    claim.decide(agree(followed, rtol=1e-12, atol=1e-12), text)


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


def _largest(pairs: list[tuple[Tensor, Tensor]]) -> float:
    return max(float((a - b).abs().max()) for a, b in pairs)


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


def _hops(M: int, codec: Quantizer) -> bool:
    """Say whether every message of one all-reduce is what (3) and (4) allow for the sum that it stands for.

    No quantizer takes part in the check: what worker m encodes in turn i has to be what it received, decoded, plus its
    own part m - i, and every decoded element one of the two levels around it.
    """
    recorded, g, parts = Recorded(codec), _gradients(M, 0).float(), partition(D, M)
    _, x = _synchronized(M, recorded, torch.float32)
    if len(recorded.hops) != M * M:
        return False
    right = True
    for turn, (encoded, decoded) in enumerate(recorded.hops):
        i, m = divmod(turn, M)
        received = recorded.hops[(i - 1) * M + (m - 1) % M][1] if i else torch.zeros_like(encoded)
        right &= torch.equal(encoded, g[m, parts[(m - i) % M]] + received) and possible(encoded, decoded, codec.s)
    for m in range(M):  # the last turn completes part m - (M - 1) = m + 1
        part = parts[(m + 1) % M]
        right &= torch.equal(x[0, part], -recorded.hops[(M - 1) * M + m][1] * (1 / M))
    return right


def _as_printed(g: Tensor, following: int) -> Tensor:
    """Follow lines 8 to 16 of algorithm 1 to the letter, without compression; `following` + m is the next node of m."""
    M, parts = len(g), partition(D, len(g))
    known: list[dict[int, Tensor]] = [{m: torch.zeros(D // M, dtype=torch.float64)} for m in range(M)]  # line 8
    for i in range(M):
        sent = {}
        for m, delta in enumerate(known):
            j = (m + i) % M  # line 10
            delta[j] = delta.get(j, torch.zeros_like(g[m, parts[j]])) + g[m, parts[j]]  # line 12
            sent[(m + following) % M] = j, delta[j]
        for m, (j, part) in sent.items():  # line 13; line 12 receives it
            known[m][j] = part
    return torch.cat([known[m][m] for m in range(M)])  # lines 15 and 16


def _follow(M: int, K: int, s: int | None, syncs: int = 3) -> tuple[Tensor, Tensor]:
    """Return the model of the algorithm and that of the recursion of section IV-A, both after some synchronizations.

    Local gradients are x - minimum of the worker + noise. The compressions of the recursion are draws by the random
    streams of the workers, in the order in which a part goes around the ring.
    """
    world, gamma, parts = World(None, M), 0.1, partition(D, M)
    minima = torch.from_numpy(stream(0, "minima").standard_normal((M, D)))
    x, ring = torch.zeros(M, D, dtype=torch.float64), algorithm(K, Levels(s))
    state, model = ring.state(world, x), torch.zeros(D, dtype=torch.float64)
    for n in range(syncs):
        local = model.repeat(M, 1)
        for k in range(K):
            t = n * K + k
            noise = torch.from_numpy(stream(0, "noise", step=t).standard_normal((M, D)))
            ring.step(world, x, x - minima + noise, state, t, gamma)
            local = local - gamma * (local - minima + noise)
        changes, total = model - local, torch.empty_like(model)
        for j, part in enumerate(parts):
            partial = torch.zeros(part.stop - part.start, dtype=torch.float64)
            for i in range(M):
                m = (j + i) % M
                key = kernel_key(0, "quantize", m, (n * K + K - 1) * M + i)
                partial = Levels(s).quantize(partial + changes[m, part], key)
            total[part] = partial
        model = model - total / M
    return x[0], model


def _draw_ring(figures: FigureFolder, M: int = 4) -> None:
    """Draw the messages of a synchronization, as the ledger of a real one has them."""
    figure, axes = panels(2, width=3.2, height=3.0)
    names = [f"w{m}" for m in range(1, M + 1)]
    x, ours = torch.zeros(M, D), algorithm(1, Dense())
    phases = messages(M, lambda world: ours.step(world, x, torch.zeros_like(x), ours.state(world, x), 0, 0.0))
    half = len(phases) // 2
    rows: list[tuple[str, int, str, str]] = []
    for axis, name, steps, colour in zip(
        axes, ("reduce-scatter", "all-gather"), (phases[:half], phases[half:]), COLOURS, strict=False
    ):
        pairs = {pair for step in steps for pair in step}
        label = f"{len(steps)} steps, a part of 1/{M} each"
        draw_nodes(
            axis, dict(zip(names, circle(M, start=pi / 4), strict=True)), {label: (pairs, {"color": colour, "lw": 1.5})}
        )
        axis.set_title(f"{name}, {M} workers")
        rows += [(name, k, names[i], names[j]) for k, step in enumerate(steps, 1) for i, j in step]
    figures.save("figure1", figure, pd.DataFrame(rows, columns=["phase", "step", "sender", "receiver"]))
