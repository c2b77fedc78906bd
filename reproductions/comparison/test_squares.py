"""All contestants in all conditions on least squares, and what is claimed of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from algorithms.algorithm import Algorithm
from algorithms.qprsgd.quantize import Quantizer
from reproductions.comparison.conditions import COMPUTE, MODEL
from reproductions.comparison.contestants import CONTESTANTS
from reproductions.comparison.plots import draw_fronts, draw_map, draw_profiles, draw_tuning, named
from reproductions.comparison.race import Race
from reproductions.comparison.recipes import squares
from reproductions.comparison.rounds import tolerant
from reproductions.comparison.standings import MEASURES, standings, summary, winners
from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Run,
    Runs,
    Settings,
    all_of,
    decides,
    exactly,
    less,
    point,
    sooner,
)
from reproductions.paper import reached as if_reached

SHOWN = ("ideal", "10 % loss", "20 Mbit/s", "one slow worker")
SYNC, RPS, ONE_SIDED = "synchronous SGD", "RPS", "PopSGD, one-sided"
SAME = 1.05  # times the best is as good as the best
LOSSES = {"10 % loss": 0.1, "30 % loss": 0.3}
BANDWIDTHS = {"ideal": 1e9, "100 Mbit/s": 1e8, "20 Mbit/s": 2e7}


OWN_JOINS = True  # an algorithm of one's own is one more contestant here, see `recipes.field`


def experiments(settings: Settings) -> dict[tuple[str, str], list[Race]]:
    """Return the races by contestant and condition."""
    return squares(settings)


def reached(runs: Runs[Race], who: str, where: str, measure: str = "seconds_to_target") -> NDArray[np.float64]:
    """Return a measure of all seeds, (seeds,), infinite where the target was not reached."""
    return np.array([float(run.series(measure)[0]) for run in runs[who, where]])


def end_of(runs: Runs[Race], who: str, where: str) -> float:
    """Return the modelled seconds after which the runs of a contestant in a condition end."""
    return float(max(np.nan_to_num(runs.final("seconds", (who, where)), posinf=0.0)))


def decide_sooner(claim: Decider, runs: Runs[Race], first: str, second: str, *conditions: str) -> None:
    """Decide that one contestant is at the target before another, in each of some conditions."""
    used = runs.only(*[(who, where) for where in conditions for who in (first, second)])
    times = {where: [reached(runs, who, where) for who in (first, second)] for where in conditions}
    ends = {where: max(end_of(runs, first, where), end_of(runs, second, where)) for where in conditions}
    decision = all_of(*(sooner(a, b, ends[where], alpha=claim.alpha) for where, (a, b) in times.items()))
    text = "; ".join(f"{where}: {a.mean():.3g} s against {b.mean():.3g} s" for where, (a, b) in times.items())
    claim.decide(decision, text, runs=used)


def decide_slowdown(claim: Decider, runs: Runs[Race], where: str) -> None:
    """Decide that a condition costs one-sided PopSGD a smaller factor of time than synchronous SGD."""
    used = runs.only(*((who, each) for who in (ONE_SIDED, SYNC) for each in ("ideal", where)))
    theirs, ours = (reached(runs, who, where) / reached(runs, who, "ideal") for who in (SYNC, ONE_SIDED))
    decision = if_reached({SYNC: theirs, ONE_SIDED: ours}, lambda: less(ours, theirs, alpha=claim.alpha))
    claim.decide(decision, f"{ours.mean():.3g} times as long against {theirs.mean():.3g} times", runs=used)


@decides("comparison-rps-samples")
def test_a_lost_hundredth_costs_rps_no_samples(claim: Decider, runs: Runs[Race]) -> None:
    where = "1 % loss"
    ratio = reached(runs, RPS, where, "steps_to_target") / reached(runs, SYNC, where, "steps_to_target")
    claim.decide(claim.within(ratio), runs=runs.only((RPS, where), (SYNC, where)))


@decides("comparison-rps-time")
def test_rps_is_sooner_than_retransmission(claim: Decider, runs: Runs[Race]) -> None:
    decide_sooner(claim, runs, RPS, SYNC, "10 % loss", "20 Mbit/s, 10 % loss", "between continents, 10 % loss")


@decides("comparison-retransmission-bytes")
def test_what_is_lost_is_sent_again(claim: Decider, runs: Runs[Race]) -> None:
    used = runs.only((SYNC, "ideal"), *((SYNC, where) for where in LOSSES))
    sent = {where: np.array(runs.final("sent_bytes", (SYNC, where))) for where in ("ideal", *LOSSES)}
    ratios = {where: (sent[where] / sent["ideal"] - 1) * (1 - loss) / loss for where, loss in LOSSES.items()}
    text = "; ".join(f"{ratio.mean():.3g} at {where}" for where, ratio in ratios.items())
    claim.decide(all_of(*(claim.within(ratio) for ratio in ratios.values())), text, runs=used)


@decides("comparison-crash")
def test_who_waits_for_everybody_does_not_survive_a_crash(claim: Decider, runs: Runs[Race]) -> None:
    where, n = "a quarter crashes", runs.all[0].experiment.workers
    makes = {who.name: who.make(n, {name: values[0] for name, values in who.knobs.items()}) for who in CONTESTANTS}
    waiting = {who for who, made in makes.items() if isinstance(made, Algorithm) and not tolerant(made, n)}
    names = sorted(waiting | {RPS, ONE_SIDED, "cluster SGD"})
    there = [float(np.isfinite(reached(runs, who, where)).mean()) for who in names]
    wanted = [0.0 if who in waiting else 1.0 for who in names]
    text = f"{there.count(0.0)} of {len(waiting)} that wait never get there; " + ", ".join(
        f"{who}: {share:.0%}" for who, share in zip(names, there, strict=True) if who not in waiting
    )
    claim.decide(exactly(there, wanted), text, runs=runs.only(*((who, where) for who in names)))


@decides("comparison-slow-worker")
def test_a_slow_worker_holds_up_who_waits(claim: Decider, runs: Runs[Race]) -> None:
    decide_slowdown(claim, runs, "one slow worker")


@decides("comparison-heavy-tails")
def test_heavy_tails_hold_up_who_waits(claim: Decider, runs: Runs[Race]) -> None:
    decide_slowdown(claim, runs, "heavy tails")


@decides("comparison-asynchrony-samples")
def test_asynchrony_costs_samples(claim: Decider, runs: Runs[Race]) -> None:
    used = runs.only((SYNC, "ideal"), (ONE_SIDED, "ideal"))
    theirs, ours = (reached(runs, who, "ideal", "steps_to_target") for who in (SYNC, ONE_SIDED))
    decision = sooner(theirs, ours, float(runs.all[0].experiment.steps), alpha=claim.alpha)
    claim.decide(decision, f"{ours.mean():.3g} gradients against {theirs.mean():.3g}", runs=used)


@decides("comparison-quantization")
def test_quantization_pays_as_its_bits_say(claim: Decider, runs: Runs[Race]) -> None:
    dense, short = "PSGD on a ring", "QSGD on a ring"
    used = runs.only(*((who, where) for who in (dense, short) for where in BANDWIDTHS))
    ratios = []
    for where, bandwidth in BANDWIDTHS.items():
        times = [reached(runs, who, where) for who in (dense, short)]
        n = runs.experiment((dense, where)).workers
        bits = [32.0, float(np.mean([_bits(run) for run in runs[short, where]]))]
        predicted = [COMPUTE + 2 * (n - 1) / n * MODEL * each / bandwidth for each in bits]
        ratios.append(times[0] / times[1] / (predicted[0] / predicted[1]))
    claim.decide(all_of(*(claim.within(ratio) for ratio in ratios)), _texts(ratios), runs=used)


def _bits(run: Run[Race]) -> int:
    return Quantizer(int(run.series("chosen_s")[0])).bits


def _texts(ratios: list[NDArray[np.float64]]) -> str:
    return "; ".join(f"{ratio.mean():.3g} at {where}" for where, ratio in zip(BANDWIDTHS, ratios, strict=True))


@decides("comparison-no-winner")
def test_nobody_wins_everywhere(claim: Decider, runs: Runs[Race]) -> None:
    ours = {who.name for who in CONTESTANTS}
    runs = Runs({label: group for label, group in runs.items() if group[0].experiment.contestant in ours})
    frame = standings(runs)
    level = claim.alpha / frame["condition"].nunique()  # whoever is told from the best in one of them is no winner
    table = {measure: summary(frame, measure, 1 - level) for measure in MEASURES}
    decision = all_of(*(no_winner(each, measure) for measure, each in table.items()))
    most = table["seconds_to_target"].groupby("contestant")["best"].sum().sort_values(ascending=False)
    met = table["seconds_to_target"]["condition"].nunique()
    text = f"most often first or tied in time: {most.index[0]}, in {most.iloc[0]} of {met} conditions"
    claim.decide(decision, text, runs=runs)


def no_winner(table: pd.DataFrame, measure: str) -> Decision:
    """Decide that by a measure nobody is the best everywhere, from the table of `summary`.

    Whoever is not told from the best in any condition may be. It is, if no interval of its ratios goes beyond `SAME`.
    """
    possible = winners(table)
    furthest = table[table["contestant"].isin(possible)].groupby("contestant")["high"].max()
    sure = furthest[furthest <= SAME]
    names = [f"{who} may be, but up to {high:.3g} times the best as well" for who, high in furthest.items()]
    text = f"{', '.join(sure.index)} is" if len(sure) else "; ".join(names) or "nobody is"
    return Decision(
        "fails" if len(sure) else "inconclusive" if possible else "holds",
        point(len(possible)),
        f"the best everywhere by {measure}: {text}",
    )


# ---------------------------------------------------------------------------------------------------------- figures


def test_map_of_least_squares(settings: Settings, runs: Runs[Race], figures: FigureFolder) -> None:
    draw_map(runs, figures, named("map-squares", settings))


def test_profiles_of_least_squares(settings: Settings, runs: Runs[Race], figures: FigureFolder) -> None:
    draw_profiles(runs, figures, named("profiles-squares", settings))


def test_fronts_of_least_squares(settings: Settings, runs: Runs[Race], figures: FigureFolder) -> None:
    draw_fronts(runs, figures, named("fronts-squares", settings), SHOWN)


def test_tuning_on_least_squares(settings: Settings, runs: Runs[Race], figures: FigureFolder) -> None:
    draw_tuning(runs, figures, named("tuning-squares", settings))
