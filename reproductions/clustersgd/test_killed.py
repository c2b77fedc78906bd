"""Beyond the paper: processes of Algorithm 2 are killed, in many launches and while a network is trained."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reproductions.clustersgd.killed import KilledTraining
from reproductions.clustersgd.survivors import CLUSTERS, DEVIATION, RATE, Survivors
from reproductions.paper import (
    Decider,
    FigureFolder,
    Label,
    Run,
    Runs,
    Settings,
    all_of,
    decides,
    draw,
    exactly,
    less,
    panels,
    proportion_interval,
    within,
)
from reproductions.workloads.digits import Digits

GROUPS, BELOW = 3, 0.04
LAUNCHES, WORSE = 8, 1.25


def experiments(settings: Settings) -> dict[Label, list[KilledTraining] | list[Survivors]]:
    """Return many small launches, and one that trains: six processes on small machines, nine elsewhere."""
    nodes = 6 if settings.scale == "smoke" else 9
    run = KilledTraining(Digits("mlp"), nodes, GROUPS, iterations=60, batch=32, rate=0.5, contraction=0.9, seed=0)
    return {"killed": [run], "launches": [Survivors(seed) for seed in range(max(LAUNCHES, settings.seeds))]}


@decides("clustersgd-killed-processes")
def test_survivors_learn_as_well(claim: Decider, runs: Runs[KilledTraining | Survivors], figures: FigureFolder) -> None:
    (training,) = runs["killed"]
    _draw(figures, training)
    whole, killed = (training.final(f"{name}_accuracy") for name in ("whole", "killed"))
    experiment = training.experiment
    assert isinstance(experiment, KilledTraining)
    trained = exactly(
        [training.final("survivors"), killed >= whole - BELOW], [experiment.nodes - len(experiment.kills), True]
    )
    launches = runs["launches"]
    finished = [_finished(run) for run in launches]
    chance = proportion_interval(sum(finished), len(finished))
    errors, level = [run.final("error") for run in launches], WORSE * _sgd(launches[0])
    lonely = sum(run.final("lonely") for run in launches)
    text = (
        f"{sum(finished)} of {len(finished)} launches finish (in {chance.low:.0%} to {chance.high:.0%} of all), "
        f"{lonely:.0f} survivors without a cluster mate, error {np.mean(errors):.2f} under {level:.2f}; "
        f"{killed:.3f} with {training.final('survivors'):.0f} survivors of {experiment.nodes}, {whole:.3f} without "
        "failures"
    )
    everyone = all_of(within(chance, 0.5, 1.0), exactly(finished, [True] * len(finished)))
    claim.decide(all_of(everyone, less(errors, [level] * len(errors)), trained), text, runs)


def _finished(run: Run[KilledTraining | Survivors]) -> bool:
    """Whether both survivors have an output, one of them alone in its cluster for the rest of its iterations."""
    experiment = run.experiment
    assert isinstance(experiment, Survivors)
    deaths = [kill.tag[0] for kill in experiment.kills.values() if kill.tag]
    found = [run.final(name) for name in ("survivors", "lonely", "after")]
    return found == [CLUSTERS.n - len(deaths), 1, experiment.iterations - max(deaths)]


def _sgd(run: Run[KilledTraining | Survivors]) -> float:
    """Return the error at which sequential SGD with batches of N settles."""
    experiment = run.experiment
    assert isinstance(experiment, Survivors)
    return experiment.d * RATE / (2 - RATE) * DEVIATION**2 / experiment.algorithm.messages


def _draw(figures: FigureFolder, run: Run[KilledTraining | Survivors]) -> None:
    experiment = run.experiment
    assert isinstance(experiment, KilledTraining)
    figure, (axis,) = panels(1, width=5.5)
    shown, dead = Runs({"killed": [run]}), len(experiment.kills)
    frame = pd.concat(
        [shown.curves(f"{name}_accuracy").assign(killed=n) for name, n in (("whole", 0), ("killed", dead))]
    )
    draw(axis, frame.assign(label=frame["killed"].map({0: "no failures", dead: f"{dead} killed"})))
    for i, kill in experiment.kills.items():
        assert kill.tag is not None
        axis.axvline(kill.tag[0], color="0.5", ls=":", lw=1)
        axis.annotate(f"process {i} killed", (kill.tag[0], 0.02), xycoords=("data", "axes fraction"), rotation=90)
    axis.set(xlabel="iteration", ylabel="test accuracy of survivors", ylim=(0, 1))
    axis.legend(loc="lower right")
    network = f"{getattr(experiment.workload, 'net', '')} on {run.provenance['workload']}"
    figure.suptitle(f"{experiment.nodes} processes in {experiment.clusters} clusters, {network}")
    figures.save("killed", figure, frame.drop(columns="label"))
