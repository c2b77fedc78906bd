"""Figure 4(c): what it saves to overlap the auxiliary variable with compute, and the loss against time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd

from algorithms.coopsgd.cooperative import elastic_averaging
from algorithms.network import Link
from algorithms.streams import stream
from reproductions.coopsgd import recipes, stragglers, time_model
from reproductions.coopsgd.plots import MODEL
from reproductions.coopsgd.stragglers import ShiftedExponential, Times
from reproductions.coopsgd.timeline import FLOATS, M, Timeline
from reproductions.coopsgd.timeline_chart import duration, same_models
from reproductions.harness.runs.experiment import Experiment
from reproductions.paper import (
    Decider,
    FigureFolder,
    Run,
    Runs,
    Settings,
    all_of,
    decides,
    draw,
    less,
    mean_interval,
    name_of,
    panels,
)

PRINTED, NODES, ITERATIONS = 67, 8, 8
BLOCKING, BESIDE = "blocking", "non-blocking"
RATIOS = np.logspace(-2, 2, 81)  # seconds of an exchange per seconds of compute
COMPUTE = ShiftedExponential(shift=0.05, scale=0.002)  # longer than models up and z down take on two cores
SEEDS = 5  # a pilot of four had savings of 14 to 21 %
LAWS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Times]] = {
    "constant": lambda draw, shape: np.ones(shape),
    "exponential": lambda draw, shape: draw.exponential(size=shape),
    "Pareto, infinite variance": lambda draw, shape: draw.pareto(1.2, shape),
    "one in 50 steps is slow": lambda draw, shape: np.where(draw.random(shape) < 0.02, 50.0, 0.02),
}


def experiments(settings: Settings) -> dict[str, list[Timeline]]:
    """Return runs of EASGD with local updates that could hide the exchange, blocking and non-blocking."""
    seeds = range(min(SEEDS, settings.seeds))
    members = {name: elastic_averaging(M, 2 / (M + 2), overlap=name == BESIDE) for name in (BLOCKING, BESIDE)}
    return {
        name: [Timeline(member, COMPUTE, ITERATIONS, FLOATS, seed) for seed in seeds]
        for name, member in members.items()
    }


@decides("coopsgd-fig4c-nonblocking")
def test_overlap_saves_time(claim: Decider, settings: Settings, runs: Runs[Timeline]) -> None:
    if settings.scale == "paper":
        claim.not_run("needs VGG-16 on 8 GPUs and the network of the paper's cluster, which is not described")
    seconds = {name: np.array([duration(run) for run in group]) for name, group in runs.items()}
    saved = 100 * (1 - seconds[BESIDE] / seconds[BLOCKING])
    some = less(np.zeros_like(saved), saved, alpha=claim.alpha)
    text = f"{saved.mean():.0f} % with real messages between {M + 1} ranks"
    claim.decide(all_of(some, same_models(*runs.values())), text, runs, number=mean_interval(saved))


# ---------------------------------------------------------------------------- where the exchange takes as long in both


def saved(compute: Times, exchange: float, exposed: float = 0.0) -> float:
    """Return the part of the blocking time that non-blocking execution saves, the exchange being as long in both."""
    return 1 - stragglers.nonblocking(compute, exchange, exposed) / stragglers.blocking(compute, exchange, exposed)


def worst_cases() -> Iterator[float]:
    """Save time with every 0/1 compute time of few workers and periods, for exchanges from 0 to 2."""
    for workers, periods in ((1, 6), (2, 4), (3, 3)):
        for pattern in product((0.0, 1.0), repeat=workers * periods):
            compute = np.reshape(pattern, (periods, workers))
            for exchange, exposed in ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 0.5)):
                if compute.any() or exchange:
                    yield saved(compute, exchange, exposed)


def simulated(periods: int = 400) -> dict[str, list[float]]:
    """Return what is saved at every ratio of exchange to compute, by law of the compute times of 8 workers."""
    drawn = {name: law(stream(0, f"nonblocking/{name}"), (periods, NODES)) for name, law in LAWS.items()}
    return {name: [saved(c / c.mean(), ratio) for ratio in RATIOS] for name, c in drawn.items()}


def by_the_ledger() -> list[float]:
    """Return what is saved by the ledger, where blocking exchanges models and auxiliary variable at the same time."""
    blocking, hidden = (elastic_averaging(NODES, 0.2, overlap=overlap) for overlap in (False, True))
    return [time_model.saving(hidden, blocking, 1, 1.0, Link(32 * NODES / ratio)) for ratio in RATIOS]


def test_overlap_saves_at_most_half_where_exchanges_take_as_long() -> None:
    largest = max(*worst_cases(), *by_the_ledger(), *(max(curve) for curve in simulated().values()))
    assert abs(largest - 0.5) < 1e-9


# --------------------------------------------------------------------------------------------------------------- figure


def test_figure4c(
    settings: Settings,
    run: Callable[[Sequence[Experiment]], list[Run[Experiment]]],
    runs: Runs[Timeline],
    figures: FigureFolder,
) -> None:
    trained = Runs({"": run(recipes.curve(settings, recipes.easgd(NODES, 0.2)))})
    figure, (left, right) = panels(2, width=5.2, height=3.6)
    losses = _against_time(trained.curves("mean_train_loss"), runs)
    draw(left, losses.assign(step=losses["time"], label=losses["execution"]))
    left.set(xlabel="measured time / emulated compute of an epoch", ylabel="training loss")
    left.set_title(f"{NODES} workers, {name_of(settings, MODEL, trained.all)}")
    left.legend(fontsize=7)
    lines = simulated() | {"constant, full-duplex exchange": by_the_ledger()}
    for name, curve in lines.items():
        right.plot(RATIOS, 100 * np.array(curve), label=name)
    right.axhline(PRINTED, color="black", ls="--", lw=1, label="printed, 67 %")
    right.axhline(50, color="black", ls=":", lw=1, label="most, if exchanges take as long")
    right.set(xscale="log", ylim=(-40, 80), xlabel="exchange / mean compute of a period", ylabel="time saved [%]")
    right.set_title("simulated")
    right.legend(fontsize=7, title=f"compute times of {NODES} workers", title_fontsize=8)
    saving = pd.DataFrame({"exchange": RATIOS} | lines).melt("exchange", var_name="compute_times")
    figures.save("figure4c", figure, pd.concat([losses, saving.assign(metric="saving")], ignore_index=True))


def _against_time(losses: pd.DataFrame, runs: Runs[Timeline]) -> pd.DataFrame:
    """Return the loss over time, in units of the compute time of an epoch, of blocking and non-blocking execution."""
    compute, frames = COMPUTE.shift + COMPUTE.scale, []
    for name in (BLOCKING, BESIDE):
        seconds = float(np.mean([duration(run) for run in runs[name]])) / ITERATIONS
        frames.append(losses.assign(execution=name, time=losses["step"] * seconds / compute))
    return pd.concat(frames).drop(columns="label")
