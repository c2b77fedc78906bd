"""Whether training runs lost as many messages as their labels say: the ledger ties curves to arrival probabilities."""

from __future__ import annotations

import numpy as np

from reproductions.experiments.training import Training
from reproductions.paper import Decision, Label, Runs, all_of, exactly

DEVIATIONS = 5.0  # standard deviations of the number of messages that arrive


def as_labelled(runs: Runs[Training]) -> Decision:
    """Decide that of the messages of every label the share arrived that the label says.

    The label is the arrival probability, or ends with it. Runs of different seeds have to lose different messages, so
    that they are several samples.
    """
    return all_of(*(_as_labelled(runs, label) for label in runs))


def _as_labelled(runs: Runs[Training], label: Label) -> Decision:
    arrival = float(label[-1] if isinstance(label, tuple) else label)  # type: ignore[arg-type]  # a number by contract
    sent, received = (np.array(runs.final(f"{name}_messages", label)) for name in ("sent", "received"))
    spread = DEVIATIONS * np.sqrt(sent * arrival * (1 - arrival))
    counted = (abs(received - arrival * sent) <= spread) & (sent > 0)
    apart = len(set(received)) > 1 or len(received) == 1 or arrival in (0, 1)
    return exactly([*counted, apart], [True] * (len(sent) + 1))
