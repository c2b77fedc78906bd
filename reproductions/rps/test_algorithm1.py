"""Figure 1, algorithm 1 and equations (3) and (4): what happens to every block."""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from algorithms.blocks import partition
from algorithms.network import IndependentDrops
from algorithms.rps.averaging import ModelAveraging, average_blocks
from algorithms.rps.servers import average_on_servers
from algorithms.world import Inbox, World
from reproductions.experiments.patterns import draw_nodes, messages, row
from reproductions.paper import (
    COLOURS,
    Decider,
    Decision,
    FigureFolder,
    Interval,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    exactly,
    panels,
)
from reproductions.rps.exact import enumerate_moments
from reproductions.rps.mixing import MixingMatrices

N, D, T = 4, 10, 50  # blocks of 3, 3, 2, 2 elements
SERVERS, WORKERS = 3, 4  # of figure 1


def experiments(settings: Settings) -> dict[tuple[int, float], list[MixingMatrices]]:
    """Return rounds of unit vectors, over ranks, by n and p."""
    return {(n, p): [MixingMatrices(n, p, 200, seed=1)] for n in (2, 3, 4) for p in (0.05, 0.5)}


class Watched(World):
    """A world that notes, for models whose j-th block holds the number j, to whom the workers send each block."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.owners: list[NDArray[np.intp]] = []

    def alltoall(self, blocks: Sequence[torch.Tensor], *arguments: Any, **options: Any) -> list[Inbox]:
        """See `World.alltoall`: destination i is sent the block that it owns."""
        self.owners.append(np.argsort([int(block[0, 0]) for block in blocks]))
        return super().alltoall(blocks, *arguments, **options)


def _round(t: int, p: float) -> tuple[World, torch.Tensor, torch.Tensor]:
    """Return a world after one round, the models before it and after it."""
    world = World(None, N, IndependentDrops(p, seed=3), seed=3)
    before = torch.from_numpy(world.stream("test", step=t).normal(size=(N, D)))
    after = before.clone()
    average_blocks(world, after, t)
    return world, before, after


def _expected(world: World, v: torch.Tensor, t: int, lost: torch.Tensor) -> torch.Tensor:
    """Follow algorithm 1 one block and one worker at a time; `lost` is what a worker keeps that misses an average."""
    x = lost.clone()
    owner = world.stream("rps/owner", step=t).permutation(N)
    pushed = world.network.delivered(t, "reduce-scatter", N)
    pulled = world.network.delivered(t, "all-gather", N)
    for j, block in enumerate(partition(D, N)):
        received = [v[k, block] for k in range(N) if pushed[k, owner[j]]]
        average = sum(received[1:], start=received[0]) / len(received)
        for i in range(N):
            if pulled[owner[j], i]:
                x[i, block] = average
    return x


@decides("rps-fig1-pattern")
def test_messages_of_an_iteration(claim: Decider, figures: FigureFolder) -> None:
    _draw_pattern(figures)
    apart, together = World(None, WORKERS + SERVERS), World(None, N)
    average_on_servers(apart, torch.zeros(WORKERS + SERVERS, D), 0, SERVERS)
    average_blocks(together, torch.zeros(N, D), 0)
    sent, busiest = apart.traffic.sent_messages, apart.traffic.busiest_messages
    pushes, pulls, shared = (
        int(sent[:WORKERS].sum()),
        int(sent[WORKERS:].sum()),
        int(together.traffic.sent_messages.sum()),
    )
    # the busiest machine is a server: it hears all workers and answers all of them
    counted = exactly([pushes, pulls, busiest, shared], [12, 12, 2 * WORKERS, 2 * N * (N - 1)])
    claim.decide(counted, f"{pushes} + {pulls}; {shared} with {N} servers on {N} workers")


@decides("rps-alg1-average-received")
def test_owner_averages_what_it_receives(claim: Decider) -> None:
    rounds = [(t, *_round(t, p)) for p in (0.1, 0.5, 0.9) for t in range(T)]
    expected = torch.stack([_expected(world, v, t, lost=v) for t, world, v, _ in rounds])
    got = torch.stack([x for *_, x in rounds])
    off = float((got - expected).abs().max())
    claim.decide(exactly(got.numpy(), expected.numpy()), f"off by {off:.1g} in {len(rounds)} rounds")


@decides("rps-alg1-fallback-own-block")
def test_missed_average_keeps_own_block(claim: Decider) -> None:
    world = World(None, N, IndependentDrops(0.5, seed=3), seed=3)
    x = torch.from_numpy(world.stream("x").normal(size=(N, D)))
    v = x - 0.1 * torch.from_numpy(world.stream("g").normal(size=(N, D)))
    got = v.clone()
    average_blocks(world, got, 0)
    # (4) needs columns of W that sum to one: with every v_t equal to one, every x_{t+1} is one
    ones = torch.ones_like(v)
    printed, used = (_expected(world, ones, 0, lost=lost) for lost in (torch.zeros_like(v), ones))
    corrected = all_of(exactly(got.numpy(), _expected(world, v, 0, lost=v).numpy()), _all_ones(used))
    text = f"columns of W sum to {printed.min():.2g} at least as printed, to {used.min():.2g} with v_t"
    claim.decide_misprint(_all_ones(printed), corrected, text)


def _all_ones(x: torch.Tensor) -> Decision:
    return close(x.numpy(), np.ones(x.shape), rtol=0, atol=1e-15)


@decides("rps-alg1-owner-random")
def test_owners_are_a_fresh_permutation(claim: Decider) -> None:
    from scipy.stats import chisquare

    world = Watched(None, N, seed=5)
    for t in range(4800):
        average_blocks(world, torch.arange(N, dtype=torch.float64).expand(N, N).clone(), t)
    owners = world.owners
    seen, counts = np.unique(owners, axis=0, return_counts=True)
    p_value = float(chisquare(counts).pvalue)
    uniform = len(seen) == factorial(N) and p_value > 0.001
    interval = Interval(p_value, p_value, p_value, 1, len(owners), of="draws")
    random = Decision("holds" if uniform else "fails", interval, f"p = {p_value:.3g}")
    diagonals = [np.diag(enumerate_moments(3, 0.2, owner).second) for owner in (None, 0)]
    needed = all_of(exactly([np.ptp(diagonals[0]) < 1e-15], [True]), exactly([np.ptp(diagonals[1]) > 1e-3], [True]))
    text = (
        f"{len(seen)} permutations, chi-square p = {p_value:.2f}; a fixed owner has diagonals {diagonals[1].round(3)}"
    )
    claim.decide(all_of(random, needed), text)


@decides("rps-eq4-column-stochastic")
def test_columns_sum_to_one_and_rows_do_not(claim: Decider, runs: Runs[MixingMatrices]) -> None:
    columns = max(run.series("column_error").max() for run in runs.all)
    rows = min(run.series("row_error").max() for run in runs.all)
    decision = all_of(close([columns], [0.0], rtol=0, atol=1e-15), exactly([rows > 0.1], [True]))
    claim.decide(decision, f"columns off by {columns:.1g}, rows by up to {rows:.2g}", runs)


def test_model_averaging_is_step_then_average() -> None:
    world = World(None, N, IndependentDrops(0.3, seed=1), seed=1)
    x, g = (torch.from_numpy(world.stream(name).normal(size=(N, D))) for name in ("x", "g"))
    expected = _expected(world, x - 0.5 * g, 7, lost=x - 0.5 * g)
    ModelAveraging().step(world, x, g, {}, 7, lr=0.5)
    torch.testing.assert_close(x, expected, rtol=0, atol=0)


def _draw_pattern(figures: FigureFolder) -> None:
    """Draw the messages of an iteration, as the ledger of a real one has them."""
    figure, axes = panels(2, width=3.4, height=2.8)
    names = [f"w{i}" for i in range(1, WORKERS + 1)] + [f"s{i}" for i in range(1, SERVERS + 1)]
    at = dict(zip(names, [*row(WORKERS, 0.0), *row(SERVERS, 2.0)], strict=True))
    zeros = torch.zeros(WORKERS + SERVERS, D)
    phases = messages(len(names), lambda world: average_on_servers(world, zeros, 0, SERVERS))
    rows: list[tuple[str, str, str]] = []
    for axis, pairs, phase, colour in zip(axes, phases, ("push", "pull"), COLOURS, strict=False):
        draw_nodes(axis, at, {f"{phase}: {len(pairs)} messages": (pairs, {"color": colour, "lw": 1.0})})
        axis.set_title(f"{SERVERS} servers and {WORKERS} workers, {phase}")
        rows += [(phase, names[i], names[j]) for i, j in pairs]
    figures.save("figure1", figure, pd.DataFrame(rows, columns=["phase", "sender", "receiver"]))
