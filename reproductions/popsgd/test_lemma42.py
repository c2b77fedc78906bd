"""Section 3, Lemmas 4.2 and B.1: the phase clock."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import log

import numpy as np

from algorithms.popsgd import loops, population
from algorithms.popsgd.population import ClockRate, Complete, Graph
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Run,
    Runs,
    Settings,
    all_of,
    at_most_one,
    close,
    decides,
    exactly,
    searched,
    within,
)
from reproductions.popsgd import plots
from reproductions.popsgd.bounds import CLOCK
from reproductions.popsgd.descent import Clocks
from reproductions.popsgd.enumeration import Array, cycle, drawn, uniform
from reproductions.popsgd.readings import over_time, seeded, slope_in

ROUNDS = 200  # T/n on the complete graph
G_BOUND = 4.0  # on E G_t/n at zeta = 1/2; it is 2 if all clocks agree
GRAPHS: dict[str, tuple[Callable[[int], Graph], dict[int, int]]] = {  # T by n; on cycles as long as fluctuations grow
    "complete": (Complete, {n: ROUNDS * n for n in (8, 32, 128, 512)}),
    "cycle": (cycle, {n: round(n**2.5) for n in (16, 64, 256, 1024)}),
}
FEWEST = 5  # seeds


def experiments(settings: Settings) -> dict[tuple[str, int], list[Clocks]]:
    """Return the clocks on complete graphs and on cycles, by graph and n."""
    seeds = max(FEWEST, settings.fewer_seeds().stop)
    return {
        (name, n): seeded(Clocks(graph(n), T, 0), seeds)
        for name, (graph, sizes) in GRAPHS.items()
        for n, T in sizes.items()
    }


def on(runs: Runs[Clocks], graph: str) -> dict[int, list[Run[Clocks]]]:
    """Return the runs on one of the graphs by n."""
    return {n: runs[graph, n] for n in GRAPHS[graph][1] if (graph, n) in runs}


@decides("popsgd-local-clock")
def test_local_clock(claim: Decider) -> None:
    ours, compiled = ([_ticks(tick, n) for n in (1, 2, 3, 8, 32)] for tick in (_specified_tick, _compiled_tick))
    sums = np.concatenate([found[0] for found in ours + compiled])
    lower = np.concatenate([found[1] for found in ours + compiled])
    decision = all_of(exactly(sums, np.zeros(len(sums))), exactly(lower, np.ones(len(lower))))
    claim.decide(decision, f"at {np.count_nonzero((sums == 0) & (lower == 1))} of {len(sums)} interactions")


@decides("popsgd-clock-interval")
def test_interval(claim: Decider, runs: Runs[Clocks], figures: FigureFolder) -> None:
    complete = on(runs, "complete")
    plots.clocks(runs, GRAPHS["complete"][1], GRAPHS["cycle"][1], figures)
    ratios = [np.divide(ends(group, "deviation"), CLOCK * log(ROUNDS * n)) for n, group in complete.items()]
    worst = searched(np.concatenate(ratios), f"every seed of n to {max(complete)}, T = {ROUNDS} n, all times")
    chance = max(_escape(T, CLOCK) * T for T in (64, 1024, 8192))
    small = searched([chance], "T P(abs(V - t/2) > c log T for a t < T) at n = 2, exactly; gamma = 1")
    fair = all_of(*(uniform(Complete(n)) for n in (2, 8)))
    text = f"deviation at most {CLOCK * worst.interval.estimate:.2f} log T"
    claim.decide(all_of(worst, small, fair), text, flat(complete))


@decides("popsgd-cycle-clock")
def test_interval_on_a_cycle(claim: Decider, runs: Runs[Clocks]) -> None:
    cycles = on(runs, "cycle")
    found = {n: np.array(ends(group, "deviation")) for n, group in cycles.items()}
    largest = max(found)
    left = found[largest] / (CLOCK * log(GRAPHS["cycle"][1][largest]))
    growth = slope_in(found)
    # in expectation sum_i (V^i - t/n)^2 changes by 1 - 1/n less the mean of abs(V^i - V^j) over edges
    step = np.concatenate([ends(cycles[n], "step") for n in sorted(found)[-2:]])
    decision = all_of(within(growth, 0.4, 0.6), within(step, 0.9, 1.1))
    roots = ", ".join(f"{values.mean() / n**0.5:.2f}" for n, values in found.items())
    text = f"{left.mean():.2f} of c log T at n = {largest}; deviation/sqrt(n) {roots}, slope {growth.estimate:.2f} in n"
    claim.decide(decision, text, flat(cycles))


@decides("popsgd-lemma42-lr-ratio")
def test_learning_rates(claim: Decider, runs: Runs[Clocks]) -> None:
    complete = on(runs, "complete")
    lowest = min(min(ends(group, "lowest")) for group in complete.values())
    highest = max(max(ends(group, "highest")) for group in complete.values())
    inside = searched([0.5 / lowest, highest / 1.5], "every seed; within [1/2, 3/2], as (B.3) derives")
    chances = [_escape(T, CLOCK, moving=True) * T for T in (64, 1024, 8192)]
    small = searched(chances, "T P(a ratio leaves [1/2, 2] before T) at n = 2, exactly; gamma = 1")
    text = f"eta_t/eta_t^i in [{lowest:.3f}, {highest:.3f}]"
    claim.decide(all_of(inside, small, _rates_are_local()), text, flat(complete))


@decides("popsgd-peres-potential")
def test_potential(claim: Decider, runs: Runs[Clocks]) -> None:
    complete = on(runs, "complete")
    means = [values for group in complete.values() for values in over_time(group, "potential").values()]
    largest = max(float(np.mean(values)) for values in means)
    text = f"E G_t at most {largest:.3f} n, for all n and t"
    claim.decide(at_most_one(np.divide(values, G_BOUND) for values in means), text, flat(complete))


# ---------------------------------------------------------------------------------------------------- measurement


def ends(group: list[Run[Clocks]], metric: str) -> list[float]:
    """Return the last value of a metric in every run of a label."""
    return [run.final(metric) for run in group]


def flat(groups: dict[int, list[Run[Clocks]]]) -> list[Run[Clocks]]:
    """Return all runs of some labels."""
    return [run for group in groups.values() for run in group]


def _ticks(tick: Callable[[population.Integers, int, int], object], n: int) -> tuple[Array, Array]:
    """Return, for 1000 interactions, the sum of the clocks less t, and whether the lower clock alone went on by one."""
    clock, sums, lower = np.zeros(n, np.int64), np.empty(1000), np.empty(1000)
    for t, (i, j) in enumerate(population.interactions(Complete(n), 0, 0, 1000)):
        before = clock.copy()
        tick(clock, int(i), int(j))
        moved = np.flatnonzero(clock != before)
        sums[t] = clock.sum() - (t + 1)
        lower[t] = len(moved) == 1 and moved[0] in (i, j) and before[moved[0]] == min(before[i], before[j])
    return sums, lower


def _specified_tick(clock: population.Integers, i: int, j: int) -> None:
    """Let a clock tick in an interaction of algorithm 1."""
    nodes = population.population(np.zeros((len(clock), 1)))
    nodes.clock = clock
    population.RULES["symmetric"](nodes, i, j, lambda x, *_: np.zeros_like(x), population.constant(1.0))


def _compiled_tick(clock: population.Integers, i: int, j: int) -> int:
    """Let a clock tick in the loops that figures 1 and 3 and the clocks here are made by."""
    return loops.tick(clock, i, j, True)


def _escape(T: int, c: float, moving: bool = False) -> float:
    """Return the exact probability that, for n = 2, some clock is further than c log T from t/2 at some t <= T.

    With `moving`, that an eta_t/eta_t^i leaves [1/2, 2] for a = 2 c n log T. Both are about D = V^0 - V^1 = 2 V^0 - t.
    """
    reach = int(4 * c * log(T)) + 2
    step, p = _difference_chain(reach), np.zeros(2 * reach + 1)
    p[reach] = 1.0
    gone, size = 0.0, abs(np.arange(-reach, reach + 1))
    for t in range(1, T + 1):
        p = step @ p
        limit = (2 * c * 2 * log(T) + t) / 2 if moving else 2 * c * log(T)
        out = (size > limit) | (size == reach)
        gone += float(p[out].sum())
        p[out] = 0
    return gone


def _difference_chain(reach: int) -> Array:
    """Return P(D' = row | D = column) for n = 2, from the pairs that are drawn and the clock's rule."""
    pairs, _ = drawn(Complete(2))
    step = np.zeros((2 * reach + 1, 2 * reach + 1))
    for (i, j), d in product(pairs, range(-reach + 1, reach)):
        clock = np.array([max(d, 0), max(-d, 0)])
        population.tick(clock, i, j)
        step[np.clip(clock[0] - clock[1] + reach, 0, 2 * reach), d + reach] += 1 / len(pairs)
    return step


def _rates_are_local() -> Decision:
    """Decide that the step of a node is b/(n V + a) with its own clock before the interaction."""
    n, rate = 4, ClockRate(4, 3.0, 5.0)
    used, wanted = [], []
    for i, j in product(range(n), repeat=2):
        nodes = population.population(np.zeros((n, 1)))
        nodes.clock[:] = (0, 2, 3, 7)
        etas = [5.0 / (4 * int(nodes.clock[k]) + 3.0) for k in (i, j)]
        population.RULES["symmetric"](nodes, i, j, lambda x, *_: np.ones_like(x), rate)
        used.append(-float(nodes.x.sum()))
        wanted.append(sum(etas))
    return close(used, wanted, rtol=1e-12, atol=0)
