"""Standings: who gets where in which condition, with intervals over seeds, and what can be said across conditions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from reproductions.comparison.conditions import MODEL
from reproductions.comparison.race import Race
from reproductions.paper import Run, Runs, paired_difference

CHOSEN = "chosen_"  # begins the metrics that say what was tuned
MEASURES = {
    "seconds_to_target": "modelled seconds to the target",
    "bytes_to_target": "bytes sent a worker to the target",
    "steps_to_target": "gradients a worker to the target",
}
_, SENT, _ = MEASURES
MESSAGE = 4 * MODEL  # bytes of a model, which is a message of most contestants


def standings(runs: Runs[Race]) -> pd.DataFrame:
    """Return one row a race.

    Returns
    -------
    pandas.DataFrame
        Columns task, condition, contestant, seed; the measures, infinite where the target was not reached; failed;
        loss, workers_loss, disagreement and seconds at the end; chosen, the step size and knobs as text.
    """
    rows = []
    for run in runs.all:
        who, where = run.experiment.contestant, run.experiment.condition.name
        end = {name: run.final(name) for name in ("loss", "workers_loss", "disagreement", "seconds")}
        measures = {name: run.final(name) for name in MEASURES}  # logged once
        failed = not np.isfinite(measures["seconds_to_target"])
        if failed:  # a loss that is reached at no time is not reached
            measures = dict.fromkeys(measures, np.inf)
        chosen = ", ".join(
            f"{name.removeprefix(CHOSEN)} {run.final(name):g}" for name in run.metrics if name.startswith(CHOSEN)
        )
        rows.append(
                {"task": run.experiment.task.name, "condition": where, "contestant": who, "seed": run.experiment.seed}
                | measures | {"failed": failed} | end | {"chosen": chosen}
            )  # fmt: skip
    return pd.DataFrame(rows)


def made(runs: Runs[Race]) -> pd.DataFrame:
    """Return what stands behind each entry of a map: its runs, and all that its tuning tried.

    Returns
    -------
    pandas.DataFrame
        One row a contestant and condition. Columns task, condition, contestant; runs, for each seed ``seed key
        seconds``, the first eight characters of the key and the modelled seconds to the target; tries, for each step
        size and knobs the mean modelled seconds to the target on validation samples, ``> 0.3`` where it was given up;
        chosen, which try it was, from 1.
    """
    rows = []
    for group in runs.values():
        first = group[0].experiment
        texts = [f"{run.experiment.seed} {run.key[:8]} {_seconds(run):.3g}" for run in group]
        tries, chosen = _tries(group[0])
        where = {"task": first.task.name, "condition": first.condition.name, "contestant": first.contestant}
        rows.append(where | {"runs": "; ".join(texts), "tries": "; ".join(tries), "chosen": chosen})
    return pd.DataFrame(rows)


def _seconds(run: Run[Race]) -> float:
    return float(run.series("seconds_to_target")[0])


def _tries(run: Run[Race]) -> tuple[list[str], int]:
    """Return every try as text, and the number of the one that was chosen."""
    wide = run.frame.pivot_table(index="step", columns="metric", values="value", sort=False, dropna=False)
    knobs = [name.removeprefix(CHOSEN) for name in map(str, wide) if name.startswith(CHOSEN)]
    tried = wide.loc[1 : run.experiment.trials]
    texts = [
        ", ".join(f"{name} {row[f'try_{name}']:g}" for name in knobs)
        + f": {'> ' * bool(row['try_given_up'] and np.isfinite(row['try_seconds']))}{row['try_seconds']:.3g}"
        for _, row in tried.iterrows()
    ]
    alike = [all(row[f"try_{name}"] == wide.loc[0, f"{CHOSEN}{name}"] for name in knobs) for _, row in tried.iterrows()]
    return texts, alike.index(True) + 1


def summary(frame: pd.DataFrame, measure: str, confidence: float = 0.95) -> pd.DataFrame:
    """Return the standing of every contestant in every condition by a measure, the best first.

    Returns
    -------
    pandas.DataFrame
        Columns condition, contestant, mean (infinite if a seed failed), failed (share of the seeds), ratio (of its
        geometric mean to the best, paired by seed), low and high (ends of its interval), best (whether it is, or
        its interval with the best holds 1). Who sends no bytes at all has the ratio 0, and the best is the best of the
        others; a seed in which a sender needed none counts as one message in its geometric mean.
    """
    rows: list[dict[str, object]] = []
    for condition, part in frame.groupby("condition", sort=False):
        values = part.pivot_table(index="seed", columns="contestant", values=measure, dropna=False, sort=False)
        failed = part.groupby("contestant", sort=False)["failed"].mean()
        finite = values[[who for who in values if np.isfinite(values[who]).all()]]
        sending = finite.loc[:, finite.gt(0).any()].replace(0, MESSAGE)  # only bytes can be 0
        logs = np.log(sending).mean().sort_values()
        rows += [
            {"condition": condition, "contestant": who, "mean": values[who].mean(), "failed": failed[who]}
            | (
                _against(sending, who, str(logs.index[0]), confidence)
                if who in sending
                else _alike(0.0 if who in finite else np.inf)
            )
            for who in [*logs.index, *(name for name in values if name not in sending)]
        ]
    return pd.DataFrame(rows)


def senders(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of those that send anything in a condition, in whatever seed."""
    return frame[frame.groupby(["condition", "contestant"])[SENT].transform("max") > 0]


def _against(values: pd.DataFrame, who: str, best: str, confidence: float) -> dict[str, object]:
    """Return the ratio of a contestant to the best, with its interval."""
    if who == best or values[who].equals(values[best]):
        return _alike(1.0)
    between = paired_difference(np.log(values[who].to_numpy()), np.log(values[best].to_numpy()), confidence)
    ratio, low, high = np.exp([between.estimate, between.low, between.high])
    return {"ratio": ratio, "low": low, "high": high, "best": bool(low <= 1)}


def _alike(ratio: float) -> dict[str, object]:
    """Return a ratio that is the same in all seeds."""
    return {"ratio": ratio, "low": ratio, "high": ratio, "best": ratio <= 1}


def profile(table: pd.DataFrame, factors: Iterable[float]) -> pd.DataFrame:
    """Return the performance profile of Dolan and More (2002).

    Parameters
    ----------
    table
        As `summary` returns it.
    factors
        At least 1.

    Returns
    -------
    pandas.DataFrame
        One row a contestant and factor: the share of all conditions in which its mean is within the factor of the best.
    """
    total = table["condition"].nunique()
    rows = [
        {"contestant": who, "factor": factor, "share": float((part["ratio"] <= factor).sum() / total)}
        for who, part in table.groupby("contestant", sort=False)
        for factor in factors
    ]
    return pd.DataFrame(rows)


def front(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, for each condition, the contestants that no other beats in both time and bytes, by means over seeds."""
    first, second, _ = MEASURES
    means = frame.groupby(["condition", "contestant"], sort=False)[[first, second]].mean().reset_index()
    kept = []
    for _, part in means[np.isfinite(means[first])].groupby("condition", sort=False):
        ordered = part.sort_values([first, second])
        kept.append(ordered[ordered[second] < ordered[second].cummin().shift(fill_value=np.inf)])
    return pd.concat(kept, ignore_index=True) if kept else means[:0]


def winners(table: pd.DataFrame) -> list[str]:
    """Return who is best or tied with the best in every condition; nobody, where there is no overall winner."""
    wins = table[table["best"]].groupby("contestant")["condition"].nunique()
    return sorted(wins[wins == table["condition"].nunique()].index)
