"""Whether a training run converges: its loss falls below half of that of the first epoch."""

from __future__ import annotations

from dataclasses import replace

from reproductions.experiments.training import Training
from reproductions.paper import Decision, Label, Runs, less


def halves(runs: Runs[Training], label: Label, alpha: float = 0.05) -> Decision:
    """Decide that the training loss of a label ends below half of that of its first epoch.

    Inconclusive where it does not, but neither does the baseline, label 1: then the runs are too short to tell.
    """
    decision = _halves(runs, label, alpha)
    if decision.outcome != "fails" or _halves(runs, 1.0, alpha).outcome == "holds":
        return decision
    sentence = f"{decision.explanation}; neither is the baseline's at half of its first, longer runs would decide"
    return replace(decision, outcome="inconclusive", explanation=sentence, p_holds=None, p_fails=None)


def _halves(runs: Runs[Training], label: Label, alpha: float) -> Decision:
    half = [0.5 * float(run.series("train_loss").iloc[0]) for run in runs[label]]
    return less(runs.final("train_loss", label), half, alpha=alpha)
