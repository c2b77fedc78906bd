"""Experiment: a run as a value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar

from reproductions.harness.runs.context import Context


class Placement(Enum):
    """On which ranks an experiment runs."""

    SHARED = "ranks share it"
    ALONE = "one rank runs it, beside others: for runs so small that ranks would mostly wait for each other"
    RANK_EACH = "a rank for every worker, whatever the number of cores: what is timed on a deployment"
    HOST_EACH = "a host with real links, and a rank on it, for every worker; the experiment sets the rates of the links"
    HOST_WINDOWS = (
        "as HOST_EACH; ranks read each other's memory over the links, which MPICH can and Open MPI 5.0 cannot"
    )
    MORTAL = "a rank for every worker, some are killed; leaves the communicator of the survivors in ``context.comm``"

    @property
    def hosts(self) -> bool:
        """Whether every worker has a host of its own."""
        return self in (Placement.HOST_EACH, Placement.HOST_WINDOWS)

    @property
    def rank_each(self) -> bool:
        """Whether every worker has a rank of its own."""
        return self not in (Placement.SHARED, Placement.ALONE)


@dataclass(frozen=True)
class Experiment(ABC):
    """Something that MPI ranks execute: all its fields are values, and equal experiments give equal results."""

    placement: ClassVar[Placement] = Placement.SHARED
    basis: ClassVar[str] = "executed"
    """What a verdict on such runs stands on: ``"executed"``, or ``"simulated"`` if no algorithm runs in rounds."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of workers, the largest number of ranks that can share this experiment."""

    @abstractmethod
    def execute(self, context: Context) -> None:
        """Run on every rank and log metrics through `context`."""

    @property
    def cost(self) -> float:
        """Estimate of the seconds that one CPU core needs; only for the estimate at collection."""
        return 1.0

    @property
    def group(self) -> str:
        """Runs of one group are made by one rank, one after the other, so that it can reuse what they share.

        Empty: no group.
        """
        return ""

    @property
    def samples(self) -> int:
        """Samples whose gradients it computes; 0 if it trains no network."""
        return 0

    def speed(self, context: Context) -> float:
        """Return how many of its `samples` one core of this machine computes in a second, tried for two seconds.

        Raises
        ------
        NotImplementedError
            If it trains no network.
        """
        raise NotImplementedError(f"{type(self).__name__} computes no gradients of samples")

    def checksum(self, data: Path | None) -> str:
        """Return the checksum of the data that this experiment reads from the folder `data`."""
        return ""
