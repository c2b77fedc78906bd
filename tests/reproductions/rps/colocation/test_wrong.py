"""Systems without what section 7 lives on turn its claims red: priority, finite queues, unreliable learning, load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from algorithms.streams import stream
from reproductions.paper import Runs, Settings
from reproductions.rps.colocation import test_figure6, test_figure7
from reproductions.rps.colocation.experiment import Colocation
from reproductions.rps.colocation.simulation import Messages, Outcome
from reproductions.rps.colocation.traffic import Learning
from tests.reproductions.lab import decided, simulate, swapped

SETTINGS = Settings(seeds=4)  # of which the grids make their fewest
Change = Callable[[Colocation], Colocation]
Grid = Mapping[Any, list[Colocation]]


@dataclass(frozen=True)
class UncorrelatedDrops(Colocation):
    """A tenth of learning's packets is lost, whether links are busy or not."""

    def _measure(self, messages: Messages, outcome: Outcome) -> dict[str, float]:
        measured = super()._measure(messages, outcome)
        draws = stream(self.seed, "wrong/uncorrelated").random(100_000)
        return measured | {"learning_loss": float((draws < 0.1).mean())}


def changed(e: Colocation, part: str, **values: Any) -> Colocation:
    return replace(e, scene=replace(e.scene, **{part: replace(getattr(e.scene, part), **values)}))


def unlimited(e: Colocation) -> Colocation:
    return changed(e, "fabric", switch_queue=1 << 40, host_queue=1 << 40)


def right(e: Colocation) -> Colocation:
    return e


def no_priority(e: Colocation) -> Colocation:
    return changed(e, "web", marked=0.0)


def reliable_learning(e: Colocation) -> Colocation:
    return changed(e, "learning", reliable=True)


def uncorrelated(e: Colocation) -> Colocation:
    wide = unlimited(e)
    return UncorrelatedDrops(wide.scene, wide.rounds, wide.seed)


WRONG = [no_priority, unlimited, reliable_learning, uncorrelated]
ORDERS = {
    "rps-fig6-lambda2000": test_figure6.test_2000_messages_a_second,
    "rps-fig6-lambda5000": test_figure6.test_5000_messages_a_second,
    "rps-fig6-lambda10000": test_figure6.test_10000_messages_a_second,
}
TEN_PERCENT = {"rps-fig6-speedup-10pct": test_figure6.test_speed_up_at_10_percent_loss}
TARGETS = {
    "rps-fig7-target2ms": test_figure7.test_target_of_2_ms,
    "rps-fig7-target5ms": test_figure7.test_target_of_5_ms,
}


def small(e: Colocation) -> Colocation:
    """Return an experiment with a small model, whose rounds are short."""
    return changed(e, "learning", parameters=300_000)


def short(experiments: Grid, change: Change) -> Runs[Colocation]:
    """Return short runs in systems that are changed in some way."""
    return swapped(experiments, lambda e: change(small(e)))


@pytest.mark.parametrize("change", [right, *WRONG])
def test_figure_6_turns_red(change: Change) -> None:
    runs = short(test_figure6.experiments(SETTINGS), change)
    verdicts = {name: decided(test, name, runs=runs).verdict for name, test in (ORDERS | TEN_PERCENT).items()}
    if change is right:
        assert {verdicts[name] for name in ORDERS} == {"consistent"}
    else:
        assert set(verdicts.values()) == {"deviates"}


@pytest.mark.parametrize("change", [right, *WRONG])
def test_figure_7_turns_red(change: Change) -> None:
    runs = short(test_figure7.experiments(SETTINGS), change)
    verdicts = {decided(test, name, runs=runs).verdict for name, test in TARGETS.items()}
    assert verdicts == {"consistent" if change is right else "deviates"}


def test_a_round_without_its_second_phase_is_not_that_of_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Learning.round_bytes
    monkeypatch.setattr(Learning, "round_bytes", lambda self, n: whole(self, n) // 2)
    label, group = next(iter(test_figure6.experiments(SETTINGS).items()))
    (made,) = simulate([small(group[0])])
    runs = Runs({label: [replace(made, experiment=group[0])]})
    load = decided(test_figure6.test_load_of_learning, "rps-sec7-ml-load", runs=runs)
    assert load.verdict == "deviates"
