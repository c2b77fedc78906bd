"""What the three panels of figure 4 have in common: convergence of RPS at 100, 99, 95, 90 and 80 % arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reproductions.harness.claims import load_claims
from reproductions.harness.decisions import Decision, all_of
from reproductions.harness.figures import COLOURS, FigureFolder, curves, draw, name_of, panels
from reproductions.harness.settings import Settings
from reproductions.harness.statistics import increasing, less, within
from reproductions.harness.store import Run, select
from reproductions.harness.training import Training
from reproductions.harness.verdicts import Decider
from reproductions.rps.grids import ARRIVALS, final, grid

PRINTED = 0.01  # resolution of the printed losses
RESOLUTION = PRINTED / 0.09  # relative to the larger of the printed baselines
BAND = 0.02  # of a printed loss
ALPHA = 0.05 / 13  # Bonferroni over the claims of the figure that rest on random runs


@dataclass(frozen=True)
class Panel:
    """One panel.

    Parameters
    ----------
    letter, model
        Panel and what is trained in it, one of the models of `grids`.
    prefix
        What the ids of its claims begin with.
    """

    letter: str
    model: str
    prefix: str

    def experiments(self, settings: Settings) -> list[Training]:
        """Return all curves of the panel."""
        return grid(settings, self.model, ARRIVALS)

    def runs(self, runs: Sequence[Run], settings: Settings, *arrivals: float) -> list[Run]:
        """Return the runs of some curves."""
        return select(runs, grid(settings, self.model, arrivals))

    def losses(
        self, runs: Sequence[Run], settings: Settings, arrival: float, metric: str = "train_loss"
    ) -> list[float]:
        """Return the final losses of all seeds of one curve."""
        return final(self.runs(runs, settings, arrival), metric)

    def decide_loss(self, claim: Decider, settings: Settings, runs: Sequence[Run]) -> None:
        """Decide a printed loss: the number at the paper's scale, the trend that stands in for it elsewhere."""
        arrival = _arrival(claim.claim.id)
        if settings.scale == "paper":
            value, used = float(claim.claim.value), self.runs(runs, settings, arrival)
            found = final(used, "train_loss")
            claim.decide(within(found, value - BAND, value + BAND), f"{np.mean(found):.4f}", used)
            return
        if arrival == 1:
            claim.not_run("a loss of the paper's own setting: needs --scale paper")
        baseline, dropped = (self.losses(runs, settings, a) for a in (1.0, arrival))
        text = f"{np.mean(dropped):.4f}, baseline {np.mean(baseline):.4f}"
        claim.decide(_trend(claim.claim.trend, baseline, dropped), text, self.runs(runs, settings, 1.0, arrival))

    def decide_lowest(self, claim: Decider, settings: Settings, runs: Sequence[Run]) -> None:
        """Decide that the curve at 80 % arrival lies above that at 90 % and converges."""
        at90, at80 = (self.losses(runs, settings, a) for a in (0.9, 0.8))
        half = [0.5 * float(run.series("train_loss").iloc[0]) for run in self.runs(runs, settings, 0.8)]
        decision = all_of(less(at90, at80, alpha=ALPHA), less(at80, half, alpha=ALPHA))
        text = f"{np.mean(at80):.4f}, at 90 % {np.mean(at90):.4f}"
        claim.decide(decision, text, self.runs(runs, settings, 0.9, 0.8))

    def decide_order(self, claim: Decider, settings: Settings, runs: Sequence[Run], metric: str) -> None:
        """Decide that the final losses rise as arrival falls."""
        groups = [self.losses(runs, settings, a, metric) for a in ARRIVALS]
        text = " ".join(f"{np.mean(group):.3f}" for group in groups)
        claim.decide(increasing(groups, alpha=ALPHA), text, self.runs(runs, settings, *ARRIVALS))

    def plot(self, settings: Settings, runs: Sequence[Run], figures: FigureFolder) -> None:
        """Draw the curves and, at the paper's scale, the printed losses with their tolerance beside their end."""
        figure, (axis,) = panels(1, epochs=True)
        labels = [f"{arrival:.0%}" for arrival in ARRIVALS for _ in range(settings.seeds)]
        frame = curves(runs, labels, "train_loss")
        draw(axis, frame)
        title = f"({self.letter}) {name_of(settings, self.model, runs)}"
        axis.set(title=title, xlabel="epoch", ylabel="training loss", yscale="log")
        if settings.scale == "paper":
            for i, printed in enumerate(self._printed()):
                x = int(frame["step"].max()) * (1.02 + 0.02 * i)
                axis.errorbar(x, printed, yerr=min(BAND, 0.9 * printed), fmt="s", ms=3, color=COLOURS[i])
        axis.legend(title="arrival", fontsize=8)
        figures.save(f"figure4{self.letter}", figure, frame.assign(workload=runs[0].provenance["workload"]))

    def _printed(self) -> list[float]:
        claims = load_claims(Path(__file__).with_name("claims.yaml"))
        return [
            float(claims[f"{self.prefix}-{name}"].value) for name in ("baseline", "arrival99", "arrival95", "arrival90")
        ]


def _arrival(claim: str) -> float:
    name = claim.rsplit("-", 1)[1]
    return 1.0 if name == "baseline" else int(name.removeprefix("arrival")) / 100


def _trend(statement: str, baseline: Sequence[float], dropped: Sequence[float]) -> Decision:
    """Decide what the claims file puts in place of the number."""
    if "above the baseline" in statement and "at most" not in statement:
        return less(baseline, dropped, alpha=ALPHA)
    margin = 2 * PRINTED if "at most 0.02" in statement else RESOLUTION * float(np.mean(baseline))
    return less(dropped, baseline, margin=margin, alpha=ALPHA)
