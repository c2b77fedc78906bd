"""Labelled runs: the runs of a test module under the labels that its `experiments` gave them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, overload

from reproductions.harness.runs.store import E, Run

if TYPE_CHECKING:
    import pandas as pd

Label = str | int | float | tuple["Label", ...]
"""What tells the curves of a figure apart: a word, a number, or a tuple of these."""


class Runs(Mapping[Label, list[Run[E]]], Generic[E]):
    """Runs by label: labels in the order of `experiments`, under each one run a seed.

    Parameters
    ----------
    groups
        Runs by label, those of one label in the order of their seeds.
    """

    def __init__(self, groups: Mapping[Label, Sequence[Run[E]]]) -> None:
        self._groups = {label: list(group) for label, group in groups.items()}

    def __getitem__(self, label: Label) -> list[Run[E]]:
        try:
            return self._groups[label]
        except KeyError:
            known = ", ".join(map(repr, self._groups))
            raise KeyError(f"there are no runs labelled {label!r}, only {known}") from None

    def __iter__(self) -> Iterator[Label]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def all(self) -> list[Run[E]]:
        """Every run, in the order of labels and seeds."""
        return [run for group in self._groups.values() for run in group]

    def experiment(self, label: Label) -> E:
        """Return the experiment of the first seed of a label."""
        return self[label][0].experiment

    def only(self, *labels: Label) -> Runs[E]:
        """Return the runs of these labels, in this order; a KeyError names one that does not exist."""
        return Runs({label: self[label] for label in labels})

    def where(self, wanted: Callable[[Label], bool]) -> Runs[E]:
        """Return the runs of the labels for which `wanted` is true."""
        return Runs({label: group for label, group in self._groups.items() if wanted(label)})

    @overload
    def final(self, metric: str) -> dict[Label, list[float]]: ...

    @overload
    def final(self, metric: str, label: Label) -> list[float]: ...

    def final(self, metric: str, label: Label | None = None) -> dict[Label, list[float]] | list[float]:
        """Return the last value of a metric in every run, of all labels or of one; see `Run.series`."""
        if label is not None:
            return [run.final(metric) for run in self[label]]
        return {name: [run.final(metric) for run in group] for name, group in self._groups.items()}

    def at(self, metric: str, step: int, label: Label) -> list[float]:
        """Return the value of a metric at a step in every run of a label."""
        return [float(run.series(metric)[step]) for run in self[label]]

    def curves(self, metric: str) -> pd.DataFrame:
        """Return a metric over steps.

        Returns
        -------
        pandas.DataFrame
            One row a run and step with the columns label, seed, step, metric and value.
        """
        import pandas as pd

        frames = []
        for label, group in self._groups.items():
            for run in group:
                rows = run.frame[run.frame["metric"] == metric]
                labels: Any = [label] * len(rows)
                frames.append(rows.assign(label=labels, seed=getattr(run.experiment, "seed", 0)))
        return pd.concat(frames, ignore_index=True)[["label", "seed", "step", "metric", "value"]]
