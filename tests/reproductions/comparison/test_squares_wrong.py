"""Wrong models of time that must turn the claims of the comparison red."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reproductions.comparison import race, test_digits, test_squares
from reproductions.comparison.clock import Clock
from reproductions.comparison.recipes import digits, squares
from reproductions.comparison.standings import MEASURES, standings
from reproductions.comparison.test_squares import BANDWIDTHS, LOSSES, ONE_SIDED, RPS, SYNC
from reproductions.harness.runs.settings import Settings
from reproductions.paper import Runs
from tests.reproductions.lab import assert_red, decided, simulate

Patch = pytest.MonkeyPatch
Label = tuple[str, str]
GRID = squares(Settings())


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Forget runs that were made before something was changed, and those made with it."""
    forget()
    yield
    forget()


def forget() -> None:
    race._run.cache_clear()
    race._tuned.cache_clear()


def runs_of(*labels: Label, seeds: int = 4, **changes: Any) -> Runs[Any]:
    """Run the races of some labels, each timed in its own condition and in the others of these labels."""
    wheres = tuple({GRID[label][0].condition for label in labels})
    return simulate(
        {label: [replace(each, alike=wheres, **changes) for each in GRID[label][:seeds]] for label in labels}
    )


def red(claim: str, test: Callable[..., None], runs: Runs[Any]) -> None:
    assert_red(f"comparison-{claim}", lambda decider: test(decider, runs=runs))


SLOW = tuple((who, where) for who in (ONE_SIDED, SYNC) for where in ("ideal", "one slow worker"))
AGAIN = [(SYNC, where) for where in ("ideal", *LOSSES)]
RING = [(who, where) for who in ("PSGD on a ring", "QSGD on a ring") for where in BANDWIDTHS]


def test_retransmission_for_free_in_every_second_phase_turns_its_bytes_red(monkeypatch: Patch) -> None:
    right = decided(
        test_squares.test_what_is_lost_is_sent_again, "comparison-retransmission-bytes", runs=runs_of(*AGAIN)
    )
    assert right.verdict == "consistent"
    forget()
    attempts = Clock._attempts

    def half(clock: Clock, messages: np.ndarray, step: int) -> np.ndarray:
        found = attempts(clock, messages, step)
        return found if clock._phases % 2 else messages.astype(float)

    monkeypatch.setattr(Clock, "_attempts", half)
    red("retransmission-bytes", test_squares.test_what_is_lost_is_sent_again, runs_of(*AGAIN))


def nobody_waits(monkeypatch: Patch) -> None:
    """Let a phase end for everybody as if all had begun with the middle one."""
    phase = Clock.phase

    def alone(clock: Clock, nbytes: np.ndarray, *rest: Any) -> None:
        before = clock.now.copy()
        middle = np.median(before, axis=1, keepdims=True)
        clock.now = np.broadcast_to(middle, before.shape).copy()
        phase(clock, nbytes, *rest)
        clock.now = clock.now - middle + before.min(axis=1, keepdims=True)

    monkeypatch.setattr(Clock, "phase", alone)


def test_a_straggler_that_nobody_waits_for_turns_its_claim_red(monkeypatch: Patch) -> None:
    right = decided(test_squares.test_a_slow_worker_holds_up_who_waits, "comparison-slow-worker", runs=runs_of(*SLOW))
    assert right.verdict == "consistent"
    forget()
    nobody_waits(monkeypatch)
    red("slow-worker", test_squares.test_a_slow_worker_holds_up_who_waits, runs_of(*SLOW))


def test_heavy_tails_that_nobody_waits_for_turn_their_claim_red(monkeypatch: Patch) -> None:
    nobody_waits(monkeypatch)
    runs = runs_of(*((who, where) for who in (ONE_SIDED, SYNC) for where in ("ideal", "heavy tails")))
    red("heavy-tails", test_squares.test_heavy_tails_hold_up_who_waits, runs)


def test_rps_that_sends_again_what_is_lost_turns_its_claim_red() -> None:
    wheres = "10 % loss", "20 Mbit/s, 10 % loss", "between continents, 10 % loss"
    theirs = runs_of(*((SYNC, where) for where in wheres))
    both = Runs({(who, where): theirs[SYNC, where] for who in (RPS, SYNC) for where in wheres})
    red("rps-time", test_squares.test_rps_is_sooner_than_retransmission, both)


def test_a_mean_over_all_workers_turns_the_cost_of_asynchrony_red() -> None:
    theirs = runs_of((SYNC, "ideal"))
    both = Runs({(who, "ideal"): theirs[SYNC, "ideal"] for who in (SYNC, ONE_SIDED)})
    red("asynchrony-samples", test_squares.test_asynchrony_costs_samples, both)


def test_a_straggler_that_nobody_waits_for_turns_the_claim_on_digits_red(monkeypatch: Patch) -> None:
    nobody_waits(monkeypatch)
    grid = digits(Settings())
    runs = simulate({label: grid[label][:4] for label in SLOW})
    red("slow-worker-digits", test_digits.test_a_slow_worker_holds_up_who_waits, runs)


def test_messages_of_full_length_turn_the_gain_of_quantization_red(monkeypatch: Patch) -> None:
    phase = Clock.phase
    monkeypatch.setattr(
        Clock, "phase", lambda clock, nbytes, *rest: phase(clock, np.where(nbytes > 0, 7e4, 0.0), *rest)
    )
    red("quantization", test_squares.test_quantization_pays_as_its_bits_say, runs_of(*RING, seeds=3))


def test_a_mean_over_half_of_the_workers_turns_the_claim_of_rps_red() -> None:
    runs = runs_of((SYNC, "1 % loss"), (RPS, "4 workers"))
    halved = Runs({(SYNC, "1 % loss"): runs[SYNC, "1 % loss"], (RPS, "1 % loss"): runs[RPS, "4 workers"]})
    red("rps-samples", test_squares.test_a_lost_hundredth_costs_rps_no_samples, halved)


def test_survivors_that_wait_for_the_crashed_turn_the_claim_of_crashes_red(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Clock, "present", lambda clock: np.ones_like(clock.now, dtype=np.bool_))
    where, costly = "a quarter crashes", "cluster SGD with agreement"  # of which the claim says nothing
    runs = runs_of(*((who, where) for who, there in GRID if there == where and who != costly), seeds=2, trials=2)
    assert_red(
        "comparison-crash",
        lambda claim: test_squares.test_who_waits_for_everybody_does_not_survive_a_crash(claim, runs=runs),
    )


def test_what_is_reached_at_no_time_is_reached_by_no_measure() -> None:
    frame = standings(runs_of((SYNC, "a quarter crashes"), (RPS, "a quarter crashes"), seeds=2)).set_index("contestant")
    assert np.isinf(frame.loc[SYNC, list(MEASURES)]).to_numpy().all()
    assert np.isfinite(frame.loc[RPS, list(MEASURES)]).to_numpy().all()


def test_a_contestant_that_is_the_best_everywhere_is_a_winner_and_one_that_may_be_is_none_for_sure() -> None:
    rows = [
        {"condition": where, "contestant": who, "ratio": ratio, "low": low, "high": high, "best": low <= 1}
        for where in ("ideal", "bad")
        for who, ratio, low, high in (("first", 1.0, 1.0, 1.0), ("second", 1.5, 0.9, 2.0), ("third", 3.0, 2.9, 3.1))
    ]
    table = pd.DataFrame(rows)
    outcomes = [
        test_squares.no_winner(table[table["contestant"] != without], "time").outcome for without in ("", "first")
    ]
    assert outcomes == ["fails", "inconclusive"]
    assert test_squares.no_winner(table[table["contestant"] == "third"], "time").outcome == "holds"


def test_one_seed_decides_nothing() -> None:
    verdict = decided(
        test_squares.test_a_slow_worker_holds_up_who_waits, "comparison-slow-worker", runs=runs_of(*SLOW, seeds=1)
    )
    assert verdict.verdict == "inconclusive"
