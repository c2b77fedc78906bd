"""Section 4.1 and appendix A.2: contraction and convexity of algorithms 3 and 4 under adversaries, and round counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import log

import numpy as np

from algorithms.clustersgd.adversaries import Faults, SplitValues, Strategy, Uniform
from algorithms.clustersgd.agreement import APPROACH_EXTREME, MID_EXTREMES, Rule, SharedMemoryAgreement, rounds
from algorithms.clustersgd.model import Clusters
from algorithms.clustersgd.scheduler import Execution
from reproductions.clustersgd import agreements, midpoints, plots, schedules, several_rounds
from reproductions.clustersgd.agreements import RULES, Agreement, of_rule
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Label,
    Run,
    Runs,
    Settings,
    all_of,
    close,
    decides,
    exactly,
    searched,
)

FILES = {"MidExtremes": "mid-extremes", "ApproachExtreme": "approach-extreme"}  # attacks that were searched for
ALMOST = 1e-6  # how far the worst case is moved off ties


def experiments(settings: Settings) -> dict[Label, list[Agreement]]:
    """Return algorithms 3 and 4 with both rules against every adversary."""
    return agreements.grid(settings) | agreements.shared_grid(settings)


# ------------------------------------------------------------------------------------------- inside a cluster


@decides("clustersgd-smmaa-common-value")
def test_common_value(claim: Decider) -> None:
    first, own = [], []
    for e in range(120):
        strategy = (Uniform(), Uniform(60), SplitValues())[e % 3]
        done = _shared_execution(e, strategy)
        first += _seen(done, _first_written)
        own += _seen(done, _later_one)
    # the second statement is ours: of any two processes the one that writes later collects the other's own value
    text = f"in all of {len(first)} collects"
    claim.decide(all_of(exactly(first, np.ones(len(first))), exactly(own, np.ones(len(own)))), text)


@decides("clustersgd-lemma16-rounds")
def test_lemma16(claim: Decider, runs: Runs[Agreement], figures: FigureFolder) -> None:
    shared = of_rule(runs, 4)
    shares = [_worst(of_rule(shared, 4, name)) / rule.shared for name, rule in RULES.items()]
    attained = {name: agreements.worst_shared(rule) for name, rule in RULES.items()}
    exact = close(list(attained.values()), [midpoints.MIDEXT_COMMON, midpoints.APPROACH_SHARED], rtol=ALMOST, atol=0)
    bounded = searched([attained[name] / rule.shared for name, rule in RULES.items()], "worst executions")
    search = searched(shares, "three adversaries, cluster of five")
    whole = searched([6 * _final(run)[-1] for run in shared.all], "whole agreements with q = 1/6")
    plots.draw_factors(runs, figures)
    text = "worst of one round {MidExtremes:.4f} (MidExtremes), {ApproachExtreme:.4f} (ApproachExtreme)"
    decision = all_of(search, exact, bounded, whole, _geometry())
    claim.decide(decision, text.format(**attained), shared)


@decides("clustersgd-14-rounds")
def test_14_rounds(claim: Decider) -> None:
    _decide_rounds(claim, MID_EXTREMES, 14)


@decides("clustersgd-57-rounds")
def test_57_rounds(claim: Decider) -> None:
    _decide_rounds(claim, APPROACH_EXTREME, 57)


# ------------------------------------------------------------------------------------------- among clusters


@decides("clustersgd-lemma19-23-24")
def test_lemma19(claim: Decider, runs: Runs[Agreement]) -> None:
    _decide_contraction(claim, runs, "MidExtremes", midpoints.MIDEXT_COMMON, midpoints.midext_bound(1 / 6))


@decides("clustersgd-lemma20-79-80")
def test_lemma20(claim: Decider, runs: Runs[Agreement]) -> None:
    _decide_contraction(claim, runs, "ApproachExtreme", midpoints.APPROACH_COMMON, midpoints.approach_bound(1 / 10))


@decides("clustersgd-theorem2-rounds")
def test_theorem2(claim: Decider, runs: Runs[Agreement], figures: FigureFolder) -> None:
    counts = [rounds(q, MID_EXTREMES.clustered) for q in (1 / 2, 0.005, 0.0005)]
    clustered = of_rule(runs, 3, "MidExtremes")
    ratios = [f / (23 / 24) ** r for run in clustered.all for r, f in enumerate(_final(run), 1)]
    plots.draw_rounds(runs, figures)
    ends = searched(ratios, "diameter after every round over (23/24)^r, five adversaries")
    text = f"{counts} rounds for q = 1/2, 0.005, 0.0005; diameter {max(ratios):.3f} of the bound at worst"
    claim.decide(all_of(exactly(counts, [17, 125, 179]), ends), text, clustered)


@decides("clustersgd-maa-convexity")
def test_convexity(claim: Decider, runs: Runs[Agreement]) -> None:
    off = [run.final("outside") for run in runs.all]
    missing = [run.final("missing") for run in runs.all]
    decision = all_of(close(off, np.zeros(len(off)), rtol=0, atol=1e-7), exactly(missing, np.zeros(len(off))))
    claim.decide(decision, f"at most {max(off):.1g} off the hull", runs)


@decides("clustersgd-tradeoff-mid-app")
def test_tradeoff(claim: Decider) -> None:
    counts = {name: [rounds(q, rule.clustered) for q in (0.5, 0.1, 0.005)] for name, rule in RULES.items()}
    fewer = [a < b for a, b in zip(counts["MidExtremes"], counts["ApproachExtreme"], strict=True)]
    work = [_distances(MID_EXTREMES, n) / _distances(APPROACH_EXTREME, n) for n in (4, 16, 64)]
    exact = {name: agreements.worst_clustered(rule) for name, rule in RULES.items()}
    better = exactly([exact["MidExtremes"] < exact["ApproachExtreme"]], [True])
    decision = all_of(exactly(fewer, [True] * 3), exactly(work, [4, 16, 64]), better)
    rate = log(midpoints.APPROACH_COMMON) / log(midpoints.MIDEXT_COMMON)
    text = f"rounds {counts['MidExtremes']} against {counts['ApproachExtreme']}; n times the distances"
    claim.decide(decision, f"{text}; by the worst rounds there are, {rate:.2f} times the rounds")


# ---------------------------------------------------------------------------------------------------- measurement


def _decide_rounds(claim: Decider, rule: Rule, printed: int) -> None:
    counted = [rounds(1 / 6, rule.shared), SharedMemoryAgreement(Clusters.even(2, 1), 1 / 6, rule).rounds]
    enough = [rule.shared**printed <= 1 / 6 < rule.shared ** (printed - 1)]
    claim.decide(all_of(exactly(counted, [printed] * 2), exactly(enough, [True])), str(counted[0]))


def _decide_contraction(claim: Decider, runs: Runs[Agreement], name: str, exact: float, most: float) -> None:
    """Decide that no round contracts by less than the printed factor: in runs, in the worst round, by geometry."""
    rule, clustered = RULES[name], of_rule(runs, 3, name)
    worst = agreements.worst_clustered(rule)
    attained = close(worst, exact, rtol=ALMOST, atol=0)
    bounded = searched([worst / rule.clustered, most / rule.clustered], "worst execution, exact constant")
    search = searched(_worst(clustered) / rule.clustered, "five adversaries, n to 9, m to 5")
    many, factor = _sustained(name)
    text = f"{worst:.4f} in the worst round, at most {most:.4f}; {factor:.4f} a round over many rounds"
    claim.decide(all_of(search, attained, bounded, many, _geometry()), text, clustered)


def _sustained(name: str) -> tuple[Decision, float]:
    """Decide that attacks over many rounds keep to the bound of each, and return the largest factor a round.

    Polygons have to sustain what geometry says; the worst attack that was searched for is replayed from its file.
    """
    rule, steps, count = RULES[name], (2, 3), 12
    attacks = [*(several_rounds.polygon(s, count) for s in steps), several_rounds.kept(FILES[name])]
    sizes = [np.array(several_rounds.executed(attack, rule)) for attack in attacks]
    factors = [float(size[-1] / size[0]) ** (1 / (len(size) - 1)) for size in sizes]
    geometry = close(factors[:-1], [several_rounds.factor_of_polygon(s) for s in steps], rtol=1e-9, atol=0)
    allowed = exactly([attack.majority for attack in attacks], [True] * len(attacks))
    shares = np.concatenate([size[1:] / size[:-1] for size in sizes]) / rule.clustered
    return all_of(searched(shares, "rounds of attacks that look at the values"), geometry, allowed), max(factors)


@cache
def _geometry() -> Decision:
    """Decide that optimisation finds the exact constants of one round, in R^3, and no more."""
    found, wanted = [], []
    cases: tuple[tuple[int, midpoints.Condition, float], ...] = (
        (5, midpoints.midext(), midpoints.MIDEXT_COMMON),
        (5, midpoints.approach(), midpoints.APPROACH_COMMON),
        (4, midpoints.approach_shared, midpoints.APPROACH_SHARED),
        (6, midpoints.midext(1 / 6), midpoints.midext_bound(1 / 6)),
        (6, midpoints.approach(1 / 10), midpoints.approach_bound(1 / 10)),
    )
    for k, condition, constant in cases:
        found.append(midpoints.largest(k, 3, condition))
        wanted.append(constant)
    return close(found, wanted, rtol=1e-5, atol=0)


def _shared_execution(e: int, strategy: Strategy) -> Execution:
    """Return three rounds of algorithm 4 in a cluster of five."""
    algorithm = SharedMemoryAgreement(Clusters.even(5, 1), (7 / 8) ** 3)
    start = agreements.inputs(e, 5, 2)
    faults = Faults(4, 0) if e % 3 == 1 else Faults()
    return schedules.execute(algorithm.clusters, lambda i: algorithm.process(i, start[i]), strategy, e, faults)


Seen = Callable[[list[int], int, set[int]], bool]


def _seen(done: Execution, right: Seen) -> list[bool]:
    """Return for every finished collect whether it holds what it should; writers come in the order of their writes."""
    history = done.history
    assert history is not None
    result = []
    for tag, collects in history.read.items():
        writers, finished = list(history.written[tag]), history.written.get((tag[0] + 1,), {})
        result += [right(writers, i, set(seen)) for i, seen in collects.items() if i in finished]
    return result


def _first_written(writers: list[int], i: int, seen: set[int]) -> bool:
    return writers[0] in seen


def _later_one(writers: list[int], i: int, seen: set[int]) -> bool:
    return seen.issuperset(writers[: writers.index(i) + 1])


def _distances(rule: Rule, n: int) -> int:
    """Return how many distances a rule computes for n values."""
    from algorithms.clustersgd.agreement import squared_distances, squared_distances_from

    values = list(np.eye(n))
    return squared_distances(values).size if rule is MID_EXTREMES else squared_distances_from(values[0], values).size


def _worst(runs: Runs[Agreement]) -> float:
    return max(float(run.series("contraction").max()) for run in runs.all)


def _final(run: Run) -> list[float]:
    """Return diam(x_{r+1})/diam(x_1) for every r."""
    return [float(value) for value in run.series("diameter")]
