"""Section 3, Lemmas 4.2 and B.1: the phase clock."""

from __future__ import annotations

from itertools import product
from math import log
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from algorithms import popsgd
from algorithms.popsgd import ClockRate, Complete
from reproductions.harness.decisions import Decision, Interval, all_of, exactly, searched
from reproductions.harness.figures import COLOURS, FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import at_most_one
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.popsgd.bounds import CLOCK
from reproductions.popsgd.descent import Clocks, at, by_setting, over_time, repeat
from reproductions.popsgd.exact import Array, cycle, drawn, still, uniform

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NODES = (8, 32, 128, 512)
ROUNDS = 200  # T/n
G_BOUND = 4.0  # on E G_t/n at zeta = 1/2; it is 2 if all clocks agree


def experiments(settings: Settings) -> list[Clocks]:
    """Return the clocks on complete graphs, and on cycles for comparison."""
    complete = [Clocks("complete", Complete(n), ROUNDS * n, 0) for n in NODES]
    cycles = [Clocks("cycle", cycle(n), ROUNDS * n, 0) for n in NODES]
    return [copy for clocks in complete + cycles for copy in repeat(clocks, settings.fewer_seeds().stop)]


@decides("popsgd-local-clock")
def test_local_clock(claim: Decider) -> None:
    sums, moved, wanted = [], [], []
    for n in (1, 2, 3, 8, 32):
        nodes = popsgd.population(np.zeros((n, 1)))
        for t, (i, j) in enumerate(popsgd.interactions(Complete(n), 0, 0, 1000)):
            before = nodes.clock.copy()
            popsgd.RULES["symmetric"](nodes, i, j, lambda x, *_: still(x, 0), popsgd.constant(1.0))
            (ticked,) = np.flatnonzero(nodes.clock != before) if nodes.clock.sum() == t + 1 else (-1,)
            sums.append(nodes.clock.sum() - (t + 1))
            moved.append(ticked in (i, j) and nodes.clock[ticked] - before[ticked])
            wanted.append(before[ticked] == min(before[i], before[j]))
    lower = exactly(np.array(moved, float) * wanted, np.ones(len(moved)))
    claim.decide(all_of(exactly(sums, np.zeros(len(sums))), lower), f"at {len(sums)} of {len(sums)} interactions")


@decides("popsgd-clock-interval")
def test_interval(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    groups = by_setting(runs, Clocks, "complete")
    _draw(runs, figures)
    ratios = [np.divide(at(group, "deviation", run.steps), CLOCK * log(run.steps)) for run, group in groups.items()]
    worst = searched(np.concatenate(ratios), f"every seed of n to {NODES[-1]}, T = {ROUNDS} n, all times")
    chance = max(_escape(T, CLOCK) * T for T in (64, 1024, 8192))
    small = searched([chance], "T P(abs(V - t/2) > c log T for a t < T) at n = 2, exactly; gamma = 1")
    fair = all_of(*(uniform(Complete(n)) for n in (2, 8)))
    text = f"deviation at most {CLOCK * worst.interval.estimate:.2f} log T"
    claim.decide(all_of(worst, small, fair), text, [run for group in groups.values() for run in group])


@decides("popsgd-lemma42-lr-ratio")
def test_learning_rates(claim: Decider, runs: list[Run]) -> None:
    groups = by_setting(runs, Clocks, "complete")
    lowest = min(min(at(group, "lowest", run.steps)) for run, group in groups.items())
    highest = max(max(at(group, "highest", run.steps)) for run, group in groups.items())
    inside = searched([0.5 / lowest, highest / 1.5], "every seed; within [1/2, 3/2], as (B.3) derives")
    chances = [_escape(T, CLOCK, moving=True) * T for T in (64, 1024, 8192)]
    small = searched(chances, "T P(a ratio leaves [1/2, 2] before T) at n = 2, exactly; gamma = 1")
    text = f"eta_t/eta_t^i in [{lowest:.3f}, {highest:.3f}]"
    used = [run for group in groups.values() for run in group]
    claim.decide(all_of(inside, small, _rates_are_local()), text, used)


@decides("popsgd-peres-potential")
def test_potential(claim: Decider, runs: list[Run]) -> None:
    groups = by_setting(runs, Clocks, "complete")
    ratios = [
        np.divide(values, G_BOUND) for group in groups.values() for values in over_time(group, "potential").values()
    ]
    decision = at_most_one(ratios)
    largest = max(float(np.mean(ratio)) for ratio in ratios) * G_BOUND
    used = [run for group in groups.values() for run in group]
    claim.decide(decision, f"E G_t at most {largest:.3f} n, for all n and t", used)


# ---------------------------------------------------------------------------------------------------- measurement


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
        popsgd.tick(clock, i, j)
        step[np.clip(clock[0] - clock[1] + reach, 0, 2 * reach), d + reach] += 1 / len(pairs)
    return step


def _rates_are_local() -> Decision:
    """Decide that the step of a node is b/(n V + a) with its own clock before the interaction."""
    n, rate = 4, ClockRate(4, 3.0, 5.0)
    used, wanted = [], []
    for i, j in product(range(n), repeat=2):
        nodes = popsgd.population(np.zeros((n, 1)))
        nodes.clock[:] = (0, 2, 3, 7)
        etas = [5.0 / (4 * int(nodes.clock[k]) + 3.0) for k in (i, j)]
        popsgd.RULES["symmetric"](nodes, i, j, lambda x, *_: np.ones_like(x), rate)
        used.append(-float(nodes.x.sum()))
        wanted.append(sum(etas))
    agree = np.isclose(used, wanted, rtol=1e-12, atol=0)
    point = float(np.max(np.divide(used, wanted)))
    sentence = "steps of all 16 pairs of clocks 0, 2, 3, 7 are b/(n V + a)"
    return Decision("holds" if agree.all() else "fails", Interval(point, point, point, 1.0, n * n), sentence)


# --------------------------------------------------------------------------------------------------------- figure


def _draw(runs: list[Run], figures: FigureFolder) -> None:
    """Draw the largest deviation against n and how it grows with T."""
    figure, (left, right) = panels(2, width=4.4)
    rows = [_against_nodes(left, runs), _against_time(right, runs)]
    figures.save("clock", figure, pd.concat(rows, ignore_index=True))


def _against_nodes(axis: Axes, runs: list[Run]) -> pd.DataFrame:
    rows = []
    for role, colour in zip(("complete", "cycle"), COLOURS, strict=False):
        for run, group in by_setting(runs, Clocks, role).items():
            rows += [(role, run.graph.nodes, run.steps, value) for value in at(group, "deviation", run.steps)]
        n, values = zip(*((row[1], row[3]) for row in rows if row[0] == role), strict=True)
        axis.semilogx(n, values, "o", ms=4, mfc="none", color=colour, label=f"{role} graph, each seed")
    axis.plot(NODES, [CLOCK * log(ROUNDS * n) for n in NODES], "k--", label=f"c log T, c = {CLOCK:g}")
    axis.set(xlabel="nodes n", ylabel="largest |V - t/n|, all nodes and times", ylim=(0, None))
    axis.set_title(f"T = {ROUNDS} n", fontsize=10)
    axis.legend(fontsize=7)
    return pd.DataFrame(rows, columns=["graph", "n", "t", "deviation"])


def _against_time(axis: Axes, runs: list[Run]) -> pd.DataFrame:
    rows = []
    for (role, style), (n, colour) in product((("complete", "-"), ("cycle", ":")), zip(NODES, COLOURS, strict=False)):
        ((_, group),) = [item for item in by_setting(runs, Clocks, role).items() if item[0].graph.nodes == n]
        found = over_time(group, "deviation")
        times, means = list(found), [float(np.mean(values)) for values in found.values()]
        axis.semilogx(np.divide(times, n), means, style, color=colour, label=f"n = {n}" if style == "-" else "_")
        rows += [(role, n, t, mean) for t, mean in zip(times, means, strict=True)]
    axis.plot([], [], "k:", label="cycle")
    axis.set(xlabel="parallel time t/n", ylabel="mean over seeds", ylim=(0, None))
    axis.set_title("largest deviation until t", fontsize=10)
    axis.legend(fontsize=7)
    return pd.DataFrame(rows, columns=["graph", "n", "t", "deviation"])
