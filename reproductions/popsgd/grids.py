"""Settings of the convex experiments (section 6 and appendix A) at each scale."""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.popsgd import ClockRate, constant
from reproductions.harness.settings import Settings
from reproductions.popsgd.convex import Convex, over_seeds
from reproductions.workloads.linear import DigitsParity, DigitsValue, Gisette, LinearWorkload, SyntheticSquares, Year

POWERS = (1, 10, 100, 1000, 10_000)
SQUARES = SyntheticSquares()


@dataclass(frozen=True)
class Constant:
    """Figure 3: synthetic least squares at a constant rate, at a stationary loss after `settled` of the steps."""

    eta: float = 0.001
    steps: int = 20_000
    settled: float = 0.4
    looks: int = 200

    def run(self, role: str, nodes: int, batch: int = 1) -> Convex:
        """Return PopSGD with n nodes; n = 1 is mini-batch SGD."""
        return Convex(role, SQUARES, nodes, constant(self.eta), self.steps, 0, batch, looks=self.looks, all_nodes=True)


@dataclass(frozen=True)
class Decreasing:
    """Synthetic least squares at rates 4/(ell (V + tau)), as in Theorem 4.1 with a = tau n, b = 4 n/ell and ell = 1."""

    tau: float = 400.0
    steps: int = 20_000
    looks: int = 100

    def run(self, role: str, nodes: int) -> Convex:
        """Return PopSGD with n nodes."""
        return Convex(
            role,
            SQUARES,
            nodes,
            ClockRate(nodes, self.tau * nodes, 4.0 * nodes),
            self.steps,
            0,
            looks=self.looks,
            all_nodes=True,
        )


FIGURE3 = Constant()
FIGURE3_NODES = (1, 2, 4, 8, 16, 32, 64, 128)
SPEEDUP = Decreasing()
SPEEDUP_NODES = (1, 4, 16, 64)


@dataclass(frozen=True)
class Search:
    """One panel of figure 1 at one scale: a line search for the learning rate of each n.

    Parameters
    ----------
    workload, batch
        On what.
    rates
        eta_0 that are tried; eta^i = eta_0/(1 + V^i/tau), tau an eighth of `steps`.
    steps
        SGD steps of the fixed node.
    """

    workload: LinearWorkload
    batch: int
    rates: tuple[float, ...]
    steps: int

    def run(self, nodes: int, eta: float) -> Convex:
        """Return the run of one n and eta_0."""
        tau = self.steps / 8
        rate = ClockRate(nodes, tau * nodes, eta * tau * nodes)
        return Convex("search", self.workload, nodes, rate, self.steps, 0, self.batch, single=True)

    def tried(self, nodes: int, eta: float, seeds: int) -> list[Convex]:
        """Return the runs of one n and eta_0: twice the seeds where few nodes are noisy, and cheap."""
        return over_seeds([self.run(nodes, eta)], seeds * 2 if nodes <= 100 else seeds)

    def grid(self, seeds: int) -> list[Convex]:
        """Return all runs of the panel."""
        return [run for n in POWERS for eta in self.rates for run in self.tried(n, eta, seeds)]


# rates in factors of 2 around the printed intervals, and of 3 around the largest stable one for the stand-ins
_YEAR = tuple(0.0125 * 2**k for k in range(7))
_GISETTE = tuple(0.00025 * 2**k for k in range(8))
FIGURE1 = {
    ("year", "smoke"): Search(DigitsValue(), 2, (0.01, 0.03, 0.1, 0.2), 48),
    ("gisette", "smoke"): Search(DigitsParity(), 2, (0.1, 0.3, 1.0, 3.0), 48),
    ("year", "small"): Search(Year(), 128, _YEAR, 100),
    ("gisette", "small"): Search(Gisette(), 128, _GISETTE, 40),
    ("year", "paper"): Search(Year(), 128, _YEAR, 400),
    ("gisette", "paper"): Search(Gisette(), 128, _GISETTE, 200),
}


def search(settings: Settings, panel: str) -> Search:
    """Return how a panel of figure 1, ``year`` or ``gisette``, is made at the scale of the session."""
    return FIGURE1[panel, settings.scale]
