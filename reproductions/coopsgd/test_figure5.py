"""Figure 5: decentralized periodic averaging (tau = 15, zeta = 0.75) against PASGD (tau = 50) and D-PSGD, 7 workers."""

from __future__ import annotations

from algorithms.coopsgd.cooperative import periodic_averaging
from reproductions.coopsgd.floors import LOSS, at_rest, floors, text, where_at_rest
from reproductions.coopsgd.plots import MODEL, panel, tidy
from reproductions.coopsgd.recipes import curve, gossip_on_ring
from reproductions.experiments.training import Training
from reproductions.paper import Decider, FigureFolder, Runs, Settings, decides, name_of, panels

M = 7  # the ring of 7 with weights 1/3 has zeta = 0.749
OURS, LARGE, GOSSIP = (15, 0.749), (50, 0.0), (1, 0.749)
MEMBERS = {OURS: gossip_on_ring(M, 15), LARGE: periodic_averaging(M, 50), GOSSIP: gossip_on_ring(M)}
NAMES = {OURS: "decentralized periodic, tau = 15", LARGE: "PASGD, tau = 50", GOSSIP: "D-PSGD"}


def experiments(settings: Settings) -> dict[tuple[int, float], list[Training]]:
    """Return the three curves by (tau, zeta)."""
    return {label: curve(settings, member) for label, member in MEMBERS.items()}


@decides("coopsgd-fig5-loss")
def test_loss_is_below_that_of_a_large_period(claim: Decider, runs: Runs[Training]) -> None:
    used = runs.only(OURS, LARGE)
    heights = {label: floors(group) for label, group in used.items()}
    decision = where_at_rest(at_rest(used, OURS, LARGE), lambda: claim.follows(heights, OURS))
    claim.decide(decision, text([heights[OURS], heights[LARGE]]), runs=used)


def test_figure5(settings: Settings, runs: Runs[Training], figures: FigureFolder) -> None:
    figure, axes = panels(2)
    frame = tidy(runs, LOSS, ("tau", "zeta"))
    for axis, over in zip(axes, ("step", "time"), strict=True):
        panel(axis, frame, frame.apply(lambda row: NAMES[row["tau"], row["zeta"]], axis="columns"), over)
    figure.suptitle(f"{M} workers, {name_of(settings, MODEL, runs.all)}")
    figures.save("figure5", figure, frame)
