"""Figure 4(a, b): EASGD with 8 workers and one auxiliary variable, by elasticity alpha."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reproductions.coopsgd.grids import curve, easgd, floors
from reproductions.coopsgd.plots import MODEL, by_label, panel
from reproductions.harness.decisions import Decision, all_of, exactly
from reproductions.harness.figures import FigureFolder, name_of, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import less
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider

M = 8
BEST, EMPIRICAL, SMALL = 2 / (M + 2), 0.9 / M, 0.05
BEYOND = 0.23  # 2/(m + 1) = 0.2222 is the limit
MEMBERS = {f"alpha = {alpha:g}": easgd(M, alpha) for alpha in (BEST, EMPIRICAL, SMALL, BEYOND)}
CHANCE = np.log(10)  # loss of a model that knows nothing
ALPHA = 0.05 / 3  # Bonferroni over the claims of the figure that rest on random runs


def experiments(settings: Settings) -> list[Training]:
    """Return the curves of all alphas."""
    return [training for member in MEMBERS.values() for training in curve(settings, member)]


def _floors(settings: Settings, runs: list[Run], alpha: float, metric: str = "mean_train_loss") -> list[float]:
    return floors(select(runs, curve(settings, easgd(M, alpha))), metric)


def _best_is_lowest(settings: Settings, runs: list[Run], metric: str) -> tuple[Decision, str]:
    values = {alpha: _floors(settings, runs, alpha, metric) for alpha in (BEST, EMPIRICAL, SMALL)}
    decision = all_of(*(less(values[BEST], values[other], alpha=ALPHA) for other in (EMPIRICAL, SMALL)))
    return decision, " ".join(f"{np.mean(group):.4f}" for group in values.values())


@decides("coopsgd-fig4a-loss-order")
def test_best_alpha_has_the_lowest_loss(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    claim.decide(*_best_is_lowest(settings, runs, "mean_train_loss"), runs)


@decides("coopsgd-fig4b-discrepancy")
def test_best_alpha_has_the_least_discrepancy(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    claim.decide(*_best_is_lowest(settings, runs, "discrepancy"), runs)


@decides("coopsgd-fig4-divergence")
def test_beyond_the_limit_it_cannot_converge(claim: Decider, settings: Settings, runs: list[Run]) -> None:
    beyond, best = (_floors(settings, runs, alpha) for alpha in (BEYOND, BEST))
    converged = [[bool(loss < CHANCE) for loss in losses] for losses in (beyond, best)]  # NaN is not
    decision = exactly(converged, [[False] * len(beyond), [True] * len(best)])
    text = f"{sum(converged[0])} of {len(beyond)} seeds converge at {BEYOND}, {sum(converged[1])} at {BEST:g}"
    claim.decide(decision, text, runs)


def test_figure4(settings: Settings, runs: list[Run], figures: FigureFolder) -> None:
    figure, axes = panels(2, epochs=True)
    frames = [by_label(runs, MEMBERS, metric) for metric in ("mean_train_loss", "discrepancy")]
    for axis, frame, letter in zip(axes, frames, "ab", strict=True):
        panel(axis, frame)
        converging = frame.loc[frame["label"] != f"alpha = {BEYOND:g}", "value"]
        axis.set(title=f"({letter})", ylim=(0.8 * converging.min(), 2 * converging.max()))
    figure.suptitle(f"EASGD, {M} workers, {name_of(settings, MODEL, runs)}", fontsize=10)
    figures.save("figure4ab", figure, pd.concat(frames))
