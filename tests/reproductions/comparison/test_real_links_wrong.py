"""Wrong clocks that must turn the claim about real links red. Links are those of the ledger, a little disturbed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from algorithms.network import Link
from algorithms.world import World
from reproductions.comparison import test_real_links
from reproductions.comparison.clock import Clock
from reproductions.experiments.link_rounds import Rounds
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment
from reproductions.harness.runs.real_links import CONTENT
from reproductions.harness.runs.settings import Settings
from reproductions.paper import Runs
from tests.reproductions.lab import assert_red, decided, swapped

Patch = pytest.MonkeyPatch
CLAIM = "comparison-clock"


@dataclass(frozen=True)
class ByLedger(Experiment):
    """Rounds whose seconds are those of the bytes of the busiest worker, up to a tenth more."""

    rounds: Rounds

    @property
    def workers(self) -> int:
        return self.rounds.models

    def execute(self, context: Context) -> None:
        rounds = self.rounds
        world, x = World(context.comm, rounds.models), torch.zeros(rounds.models, rounds.floats)
        rounds.algorithm.step(world, x, torch.ones_like(x), rounds.algorithm.state(world, x), 0, 0.1)
        totals = world.traffic.totals()
        seconds = Link(rounds.mbit * 1e6 * CONTENT).seconds(totals["busiest_messages"], totals["busiest_bytes"])
        for number in range(1, rounds.rounds + 1):
            context.log(number, {"seconds": seconds * (1 + 0.1 * (number % 3) / 2)})


@pytest.fixture(scope="module")
def runs() -> Runs[Any]:
    return swapped(test_real_links.experiments(Settings()), ByLedger)


@pytest.fixture
def phases(monkeypatch: Patch) -> list[Any]:
    """Give what the clock is told of each phase to a list of functions, which may change it."""
    changes: list[Any] = []
    phase = Clock.phase

    def changed(clock: Clock, nbytes: np.ndarray, *rest: Any) -> None:
        for change in changes:
            nbytes = change(clock, nbytes)
        phase(clock, nbytes, *rest)

    monkeypatch.setattr(Clock, "phase", changed)
    return changes


def test_the_clock_agrees_with_the_ledger(runs: Runs[Any], phases: list[Any]) -> None:
    assert decided(test_real_links.test_a_round_takes_what_the_clock_says, CLAIM, runs=runs).verdict == "reproduced"


def second_phase_for_free(clock: Clock, nbytes: np.ndarray) -> np.ndarray:
    clock._phases += 1
    return nbytes if clock._phases % 2 else np.zeros_like(nbytes)


def one_receiver_at_a_time(clock: Clock, nbytes: np.ndarray) -> np.ndarray:
    longest = nbytes.argmax(axis=1)
    return np.where(np.arange(len(nbytes)) == longest[:, None], nbytes, 0.0)


def half_duplex(clock: Clock, nbytes: np.ndarray) -> np.ndarray:
    return nbytes + nbytes.T


@pytest.mark.parametrize("wrong", [second_phase_for_free, one_receiver_at_a_time, half_duplex])
def test_a_wrong_clock_turns_the_claim_red(wrong: Any, runs: Runs[Any], phases: list[Any]) -> None:
    phases.append(wrong)
    assert_red(CLAIM, lambda claim: test_real_links.test_a_round_takes_what_the_clock_says(claim, runs=runs))
