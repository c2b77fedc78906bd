"""Beyond the paper: Algorithm 2 trains a network while a third of the processes, a whole cluster, are killed."""

from __future__ import annotations

import pandas as pd

from reproductions.clustersgd.killed import KilledTraining
from reproductions.harness.decisions import exactly
from reproductions.harness.figures import FigureFolder, curves, draw, panels
from reproductions.harness.plugin import decides
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from reproductions.harness.verdicts import Decider
from reproductions.workloads.digits import Digits

CLUSTERS, BELOW = 3, 0.04


def experiments(settings: Settings) -> list[KilledTraining]:
    """Return one launch: six processes on small machines, nine elsewhere."""
    nodes = 6 if settings.scale == "smoke" else 9
    return [KilledTraining(Digits("mlp"), nodes, CLUSTERS, iterations=60, batch=32, rate=0.5, contraction=0.9, seed=0)]


@decides("clustersgd-killed-processes")
def test_survivors_learn_as_well(claim: Decider, runs: list[Run], figures: FigureFolder) -> None:
    (run,) = runs
    experiment = setting_of(run)
    whole, killed = (run.final(f"{name}_accuracy") for name in ("whole", "killed"))
    survivors = run.final("survivors")
    _draw(figures, run, experiment)
    decision = exactly([survivors, killed >= whole - BELOW], [experiment.nodes - len(experiment.kills), True])
    text = f"{killed:.3f} with {survivors:.0f} survivors of {experiment.nodes}, {whole:.3f} without failures"
    claim.decide(decision, text, runs)


def setting_of(run: Run) -> KilledTraining:
    """Return the experiment of a run, which says who was killed when."""
    assert isinstance(run.experiment, KilledTraining)
    return run.experiment


def _draw(figures: FigureFolder, run: Run, experiment: KilledTraining) -> None:
    figure, (axis,) = panels(1, width=5.5)
    lines = {"whole": "no failures", "killed": "a third killed"}
    frame = pd.concat([curves([run], [label], f"{name}_accuracy") for name, label in lines.items()])
    draw(axis, frame)
    for i, kill in experiment.kills.items():
        assert kill.tag is not None
        axis.axvline(kill.tag[0], color="0.5", ls=":", lw=1)
        axis.annotate(f"process {i} killed", (kill.tag[0], 0.02), xycoords=("data", "axes fraction"), rotation=90)
    axis.set(xlabel="iteration", ylabel="test accuracy of survivors", ylim=(0, 1))
    axis.legend(loc="lower right")
    figure.suptitle(f"{experiment.nodes} processes in {experiment.clusters} clusters, {run.provenance['workload']}")
    figures.save("killed", figure, frame)
