"""Figure 4(c): what overlapping the auxiliary variable with compute can save."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from algorithms.cooperative import elastic_averaging
from algorithms.network import Link
from algorithms.streams import stream
from reproductions.coopsgd import stragglers, times
from reproductions.coopsgd.lanes import duration
from reproductions.coopsgd.setups import FLOATS, M
from reproductions.coopsgd.stragglers import ShiftedExponential, Times
from reproductions.coopsgd.timeline import Timeline
from reproductions.harness.decisions import all_of, close, exactly
from reproductions.harness.figures import FigureFolder, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider

PRINTED, ABOUT, NODES = 0.67, 0.05, 8
RATIOS = np.logspace(-2, 2, 81)  # seconds of an exchange per seconds of compute
COMPUTE = ShiftedExponential(shift=0.018, scale=0.002)  # about as long as models up and z down take here
LAWS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Times]] = {
    "constant": lambda draw, shape: np.ones(shape),
    "exponential": lambda draw, shape: draw.exponential(size=shape),
    "Pareto, infinite variance": lambda draw, shape: draw.pareto(1.2, shape),
    "one in 50 steps is slow": lambda draw, shape: np.where(draw.random(shape) < 0.02, 50.0, 0.02),
}


def experiments(settings: Settings) -> list[Timeline]:
    """Return runs of EASGD with local updates that could hide the exchange, blocking and non-blocking."""
    members = [elastic_averaging(M, 2 / (M + 2), overlap=overlap) for overlap in (False, True)]
    seeds = range(min(3, settings.seeds))
    return [Timeline(member, COMPUTE, iterations=8, floats=FLOATS, seed=seed) for member in members for seed in seeds]


def saved(compute: Times, exchange: float, exposed: float = 0.0) -> float:
    """Return the part of the blocking time that non-blocking execution saves."""
    return 1 - stragglers.nonblocking(compute, exchange, exposed) / stragglers.blocking(compute, exchange, exposed)


def worst_cases() -> Iterator[float]:
    """Save time with every 0/1 compute time of few workers and periods, for exchanges from 0 to 2."""
    for workers, periods in ((1, 6), (2, 4), (3, 3)):
        for pattern in product((0.0, 1.0), repeat=workers * periods):
            compute = np.reshape(pattern, (periods, workers))
            for exchange, exposed in ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 0.5)):
                if compute.any() or exchange:
                    yield saved(compute, exchange, exposed)


def curves(periods: int = 400) -> dict[str, list[float]]:
    """Return what is saved at every ratio of exchange to compute, by law of the compute times of 8 workers."""
    drawn = {name: law(stream(0, f"nonblocking/{name}"), (periods, NODES)) for name, law in LAWS.items()}
    return {name: [saved(c / c.mean(), ratio) for ratio in RATIOS] for name, c in drawn.items()}


def modelled() -> list[float]:
    """Return what is saved by the ledger, where blocking exchanges models and auxiliary variable at the same time."""
    blocking, hidden = (elastic_averaging(NODES, 0.2, overlap=overlap) for overlap in (False, True))
    return [times.saving(hidden, blocking, 1, 1.0, Link(32 * NODES / ratio)) for ratio in RATIOS]


@decides("coopsgd-fig4c-nonblocking")
def test_overlap_saves_at_most_half(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    simulated = curves()
    largest = max(*worst_cases(), *modelled(), *(max(curve) for curve in simulated.values()))
    _draw(figures, simulated)
    half = len(runs) // 2
    real = [1 - duration(b) / duration(a) for a, b in zip(runs[:half], runs[half:], strict=True)]
    printed = exactly([largest >= PRINTED - ABOUT], [True])
    corrected = all_of(close([largest], [0.5], rtol=0, atol=1e-9), less(real, [0.5] * half))
    claim.decide_erratum(printed, corrected, f"at most {largest:.0%}, {np.mean(real):.0%} with real messages", runs)


def _draw(figures: FigureFolder, simulated: dict[str, list[float]]) -> None:
    import pandas as pd

    figure, (axis,) = panels(1, width=5.5, height=3.6)
    lines = simulated | {"constant, full-duplex exchange": modelled()}
    for name, curve in lines.items():
        axis.plot(RATIOS, 100 * np.array(curve), label=name)
    axis.axhline(100 * PRINTED, color="black", ls="--", lw=1, label="printed, 67 %")
    axis.axhline(50, color="black", ls=":", lw=1, label="bound, one half")
    axis.set(xscale="log", ylim=(-40, 80), xlabel="exchange / mean compute of a period", ylabel="time saved [%]")
    axis.legend(fontsize=7, title="compute times of 8 workers", title_fontsize=8)
    frame = pd.DataFrame({"exchange": RATIOS} | lines)
    figures.save("figure4c", figure, frame)
