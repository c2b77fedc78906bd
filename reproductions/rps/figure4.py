"""What the three panels of figure 4 have in common: convergence of RPS at 100, 99, 95, 90 and 80 % arrival.

Levels and rises are decided apart: a loss that is printed as 0.02 is anything from 0.015 to 0.025, in the paper's own
setting alone; a rise over the baseline can be looked for at any scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reproductions.experiments.training import Training
from reproductions.paper import (
    COLOURS,
    Claim,
    Decider,
    Decision,
    FigureFolder,
    Label,
    Runs,
    Settings,
    all_of,
    draw,
    increasing,
    less,
    load_claims,
    name_of,
    panels,
)
from reproductions.rps.convergence import halves
from reproductions.rps.delivered import as_labelled
from reproductions.rps.plots import percent, shown
from reproductions.rps.recipes import ARRIVALS, by_arrival

Losses = Mapping[Label, Sequence[float]]


@dataclass(frozen=True)
class Panel:
    """One panel.

    Parameters
    ----------
    letter, model
        Panel and what is trained in it, one of the models of `recipes`.
    prefix
        What the ids of its claims begin with.
    """

    letter: str
    model: str
    prefix: str

    def experiments(self, settings: Settings) -> dict[float, list[Training]]:
        """Return all curves of the panel by arrival probability."""
        return by_arrival(settings, self.model, ARRIVALS)

    def plot(self, settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
        """Draw the curves and at their ends the bands of the printed losses, faint if they are of another setting."""
        figure, (axis,) = panels(1, epochs=True)
        frame = runs.only(*ARRIVALS).curves("train_loss")
        draw(axis, shown(frame, percent))
        title = f"({self.letter}) {name_of(settings, self.model, runs.all)}"
        axis.set(title=title, xlabel="epoch", ylabel="training loss", yscale="log")
        own = settings.scale == "paper"
        axis.plot([], [], "_-", color="grey", label="printed" if own else "printed (own setting)")
        for i, claim in enumerate(self.levels()):
            low, high = claim.ends or (claim.value, claim.value)
            x = int(frame["step"].max()) * (1.02 + 0.02 * i)
            colour = COLOURS[ARRIVALS.index(float(claim.at["arrival"]))]
            axis.plot([x, x], [low, high], "_-", color=colour, alpha=1 if own else 0.5)
        axis.legend(title="arrival", fontsize=8)
        named = frame.rename(columns={"label": "arrival"}).assign(workload=runs.all[0].provenance["workload"])
        figures.save(f"figure4{self.letter}", figure, named)

    def levels(self) -> list[Claim]:
        """Return the claims of the panel about a printed loss."""
        claims = load_claims(Path(__file__).with_name("claims.yaml")).values()
        return [claim for claim in claims if claim.id.startswith(self.prefix) and claim.rounded]


def decide_level(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    """Decide a printed loss, in the paper's own setting."""
    if settings.scale != "paper":
        claim.not_run("a loss of the paper's own setting: needs --scale paper")
    used = runs.only(float(claim.claim.at["arrival"]))
    (losses,) = used.final("train_loss").values()
    claim.decide(all_of(claim.within(losses), as_labelled(used)), f"{np.mean(losses):.4f}", used)


def decide_rise(claim: Decider, settings: Settings, runs: Runs[Training]) -> None:
    """Decide by how much drops raise the loss: the printed difference, or what stands in its place elsewhere."""
    at = claim.claim.at
    arrival, compared = float(at["arrival"]), [float(at["compared"])] if "compared" in at else []
    used = runs.only(*dict.fromkeys((1.0, arrival, *compared)))
    losses = used.final("train_loss")
    rise = np.subtract(losses[arrival], losses[1.0])
    if settings.scale == "paper":
        decision = claim.within(rise)
    elif compared:
        decision = rises_less(losses, arrival, compared[0], float(at["share"]), claim.alpha)
    else:
        decision = claim.follows({1.0: losses[1.0], arrival: losses[arrival]}, arrival)
    text = f"{rise.mean():+.4f} to {np.mean(losses[1.0]):.4f}"
    claim.decide(all_of(decision, as_labelled(used)), text, used)


def rises_less(losses: Losses, arrival: float, compared: float, share: float, alpha: float) -> Decision:
    """Decide that the loss rises by less than a share of its rise at another arrival probability, where it rises."""
    baseline = np.asarray(losses[1.0])
    rise, larger = (np.asarray(losses[each]) - baseline for each in (arrival, compared))
    return all_of(less(rise, share * larger, alpha=alpha), less(baseline, losses[compared], alpha=alpha))


def decide_lowest(claim: Decider, runs: Runs[Training]) -> None:
    """Decide that the curve at 80 % arrival lies above that at 90 % and converges."""
    used = runs.only(1.0, 0.9, 0.8)
    at90, at80 = (runs.final("train_loss", arrival) for arrival in (0.9, 0.8))
    decision = all_of(less(at90, at80, alpha=claim.alpha), halves(runs, 0.8, claim.alpha), as_labelled(used))
    claim.decide(decision, f"{np.mean(at80):.4f}, at 90 % {np.mean(at90):.4f}", used)


def decide_order(claim: Decider, runs: Runs[Training], metric: str) -> None:
    """Decide that the final losses rise as arrival falls."""
    used = runs.only(*ARRIVALS)
    losses = list(used.final(metric).values())
    text = " ".join(f"{np.mean(group):.3f}" for group in losses)
    claim.decide(all_of(increasing(losses, alpha=claim.alpha), as_labelled(used)), text, used)
