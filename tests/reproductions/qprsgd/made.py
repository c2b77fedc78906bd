"""Made-up training runs that converge after given rounds: what figure 3 and table II say of known answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from algorithms.streams import stream
from reproductions.experiments.training import Training
from reproductions.paper import Label, Run, Runs, Settings
from reproductions.qprsgd.curves import LOSS
from reproductions.qprsgd.recipes import RESNET, Member, recipe
from reproductions.qprsgd.table2 import volume

SCATTER = 0.02  # of the rounds over seeds; those of every label have the same mean


def runs(
    settings: Settings,
    experiments: Mapping[Label, list[Training]],
    members: Mapping[Label, Member],
    rounds: Callable[[Member], float],
    model: str = RESNET,
) -> Runs[Training]:
    """Return runs whose loss falls as an exponential to the level of convergence after some rounds, within 2 %.

    Test accuracy grows as one, towards 0.9, and the bytes are those of the ledger.
    """
    ours = recipe(settings, model)
    made: dict[Label, list[Run[Training]]] = {}
    for label, group in experiments.items():
        method, made[label] = members[label], []
        scatter = stream(0, "scatter", len(made)).permutation(np.linspace(1 - SCATTER, 1 + SCATTER, len(group)))
        for experiment, share in zip(group, scatter, strict=True):
            passes = np.arange(1, experiment.epochs + 1)
            done = passes * ours.rounds_per_pass(method) / (rounds(method) * share)
            metrics = {
                LOSS: np.log(10) * (ours.level / np.log(10)) ** done,
                "mean_test_accuracy": 0.9 - 0.8 * np.exp(-2 * done),
                "busiest_bytes": passes * ours.rounds_per_pass(method) * volume(method),
            }
            rows = [(step, name, v) for name, values in metrics.items() for step, v in zip(passes, values, strict=True)]
            frame = pd.DataFrame(rows, columns=["step", "metric", "value"])
            made[label].append(Run(experiment, frame, {"workload": "made up", "ranks": 1}))
    return Runs(made)
