"""Figure 1, algorithm 1 and equations (3) and (4): what happens to every block."""

from __future__ import annotations

from math import factorial

import numpy as np
import torch

from algorithms.blocks import partition
from algorithms.network import IndependentDrops, Lossless
from algorithms.rps import ModelAveraging, average_blocks
from algorithms.rps_mixing import enumerate_moments
from algorithms.world import World
from reproductions.harness.decisions import Decision, Interval, all_of, close, exactly
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.rps.mixing import MixingMatrices

N, D, T = 4, 10, 50  # blocks of 3, 3, 2, 2 elements


def experiments(settings: Settings) -> list[MixingMatrices]:
    """Return rounds of unit vectors, over ranks."""
    return [MixingMatrices(n, p, 200, seed=1) for n in (2, 3, 4) for p in (0.05, 0.5)]


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
def test_messages_of_an_iteration(claim: Decider) -> None:
    world = World(None, N, Lossless())
    average_blocks(world, torch.zeros(N, D), 0)
    counted = int(world.traffic.sent_messages.sum())
    servers, workers = 3, 4
    # on machines of their own, each server gets one message of every worker and answers all of them
    pushes = pulls = servers * workers
    shared = exactly([counted], [2 * N * (N - 1)])
    claim.decide(
        all_of(exactly([pushes, pulls], [12, 12]), shared), f"12 + 12; {counted} with n = 4 servers on workers"
    )


@decides("rps-alg1-average-received")
def test_owner_averages_what_it_receives(claim: Decider) -> None:
    rounds = [(t, *_round(t, p)) for p in (0.1, 0.5, 0.9) for t in range(T)]
    expected = torch.stack([_expected(world, v, t, lost=v) for t, world, v, _ in rounds])
    got = torch.stack([x for *_, x in rounds])
    claim.decide(exactly(got.numpy(), expected.numpy()), "bitwise in 150 rounds")


@decides("rps-alg1-fallback-own-block")
def test_missed_average_keeps_own_block(claim: Decider) -> None:
    world = World(None, N, IndependentDrops(0.5, seed=3), seed=3)
    x = torch.from_numpy(world.stream("x").normal(size=(N, D)))
    v = x - 0.1 * torch.from_numpy(world.stream("g").normal(size=(N, D)))
    got = v.clone()
    average_blocks(world, got, 0)
    printed = _column_sums(_expected(world, torch.ones_like(v), 0, lost=torch.zeros_like(v)))
    corrected = all_of(
        exactly(got.numpy(), _expected(world, v, 0, lost=v).numpy()),
        _column_sums(_expected(world, torch.ones_like(v), 0, lost=torch.ones_like(v))),
    )
    claim.decide_erratum(printed, corrected, "v_t^(i,j)")


def _column_sums(of_ones: torch.Tensor) -> Decision:
    """Decide 1^T W = 1^T in (4): with every v_t equal to one, every x_{t+1} has to be one."""
    return close(of_ones.numpy().ravel(), np.ones(of_ones.numel()), rtol=0, atol=1e-15)


@decides("rps-alg1-owner-random")
def test_owners_are_a_fresh_permutation(claim: Decider) -> None:
    from scipy.stats import chisquare

    world = World(None, N, seed=5)
    owners = [tuple(world.stream("rps/owner", step=t).permutation(N).tolist()) for t in range(4800)]
    seen, counts = np.unique(owners, axis=0, return_counts=True)
    p_value = float(chisquare(counts).pvalue)
    uniform = len(seen) == factorial(N) and p_value > 0.001
    random = Decision(
        "holds" if uniform else "fails", Interval(p_value, p_value, p_value, 1, 4800), f"p = {p_value:.3g}"
    )
    fixed = enumerate_moments(3, 0.2, owner=0).second
    structured = close(np.diag(fixed), np.full(3, fixed[0, 0]), rtol=1e-9, atol=0)
    claim.decide_erratum(structured, random, f"all {len(seen)} permutations, chi-square p = {p_value:.2f}")


@decides("rps-eq4-column-stochastic")
def test_columns_sum_to_one_and_rows_do_not(claim: Decider, runs: list[Run]) -> None:
    columns = max(run.series("column_error").max() for run in runs)
    rows = min(run.series("row_error").max() for run in runs)
    decision = all_of(close([columns], [0.0], rtol=0, atol=1e-15), exactly([rows > 0.1], [True]))
    claim.decide(decision, f"columns off by {columns:.1g}, rows by up to {rows:.2g}", runs)


def test_model_averaging_is_step_then_average() -> None:
    world = World(None, N, IndependentDrops(0.3, seed=1), seed=1)
    x, g = (torch.from_numpy(world.stream(name).normal(size=(N, D))) for name in ("x", "g"))
    expected = _expected(world, x - 0.5 * g, 7, lost=x - 0.5 * g)
    ModelAveraging().step(world, x, g, {}, 7, lr=0.5)
    torch.testing.assert_close(x, expected, rtol=0, atol=0)
