"""Standings, profiles, fronts and tables of numbers whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from reproductions.comparison.plots import tables
from reproductions.comparison.standings import MESSAGE, SENT, front, profile, senders, summary, winners

SEEDS = range(4)
SECONDS = {
    "ideal": {"fast": [1.0, 1.1, 1.0, 1.1], "even": [1.1, 1.0, 1.1, 1.0], "slow": [4.0, 4.4, 4.0, 4.4]},
    "bad": {"fast": [np.inf, 2.0, 2.0, 2.0], "even": [9.0, 9.9, 9.0, 9.9], "slow": [3.0, 3.3, 3.0, 3.3]},
}
FRAME = pd.DataFrame(
    [
        {"condition": where, "contestant": who, "seed": seed, "seconds_to_target": value, "bytes_to_target": 1 / value}
        | {"failed": bool(np.isinf(value))}
        for where, contestants in SECONDS.items()
        for who, values in contestants.items()
        for seed, value in zip(SEEDS, values, strict=True)
    ]
)
TABLE = summary(FRAME, "seconds_to_target")


def of(where: str, who: str) -> pd.Series:
    rows = TABLE[(TABLE["condition"] == where) & (TABLE["contestant"] == who)]
    return rows.iloc[0]


def test_who_is_not_told_from_the_best_is_tied_with_it() -> None:
    assert of("ideal", "fast")["best"]
    assert of("ideal", "even")["best"]
    assert not of("ideal", "slow")["best"]
    assert of("ideal", "slow")["ratio"] == pytest.approx(4)
    assert of("ideal", "slow")["low"] == pytest.approx(4)


def test_one_seed_that_fails_is_enough_to_be_no_best() -> None:
    assert of("bad", "fast")["failed"] == 0.25
    assert np.isinf(of("bad", "fast")["mean"])
    assert not of("bad", "fast")["best"]
    assert of("bad", "slow")["best"]


def test_the_profile_counts_conditions_within_a_factor() -> None:
    shares = profile(TABLE, [1.0, 2.0, 3.5, 4.5]).pivot_table(index="contestant", columns="factor", values="share")
    assert shares.loc["slow"].tolist() == [0.5, 0.5, 0.5, 1.0]
    assert shares.loc["even"].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert shares.loc["fast"].tolist() == [0.5, 0.5, 0.5, 0.5]


def test_nobody_wins_unless_it_is_best_everywhere() -> None:
    assert winners(TABLE) == []
    assert winners(TABLE[TABLE["condition"] == "ideal"]) == ["even", "fast"]


def test_the_front_holds_what_no_other_beats() -> None:
    kept = front(FRAME)
    assert set(kept[kept["condition"] == "bad"]["contestant"]) == {"slow", "even"}
    beaten = FRAME.assign(bytes_to_target=FRAME["seconds_to_target"])
    assert front(beaten)["contestant"].tolist() == ["fast", "slow"]


def test_who_sends_nothing_is_first_and_no_measure_for_the_others() -> None:
    silent = FRAME.assign(bytes_to_target=FRAME["bytes_to_target"].where(FRAME["contestant"] != "slow", 0.0))
    table = summary(silent[silent["condition"] == "ideal"], "bytes_to_target").set_index("contestant")
    assert table.loc["slow", "ratio"] == 0.0
    assert table["best"].all()
    assert table.loc["even", "ratio"] == pytest.approx(1.0)


def test_who_sends_nothing_is_compared_with_nobody_who_sends() -> None:
    first = FRAME["contestant"] == "fast"
    silent = FRAME.assign(
        bytes_to_target=FRAME["bytes_to_target"].mask(first, 0.0), steps_to_target=1.0, chosen="", task="toy"
    )
    found = tables(silent[silent["condition"] == "ideal"]).set_index(["measure", "contestant"])
    assert found.loc[("time", "fast"), "ratio"] == "1"
    assert ("time of senders", "fast") not in found.index
    assert found.loc[("time of senders", "even"), "best"]
    assert ("time of senders", "slow") not in found.index


def test_who_sends_nothing_in_one_condition_is_compared_in_the_others() -> None:
    quiet = (FRAME["contestant"] == "even") & (FRAME["condition"] == "bad")
    frame = FRAME.assign(
        bytes_to_target=FRAME["bytes_to_target"].mask(quiet, 0.0), steps_to_target=1.0, chosen="", task=""
    )
    found = tables(frame)
    among = found[found["measure"] == "time of senders"].set_index(["condition", "contestant"])
    assert among.loc[("ideal", "even"), "best"]
    assert ("bad", "even") not in among.index


def test_a_seed_that_needed_no_message_counts_as_one_message() -> None:
    frame = FRAME[FRAME["condition"] == "ideal"].assign(bytes_to_target=4.0 * MESSAGE)
    quiet = (frame["contestant"] == "slow") & (frame["seed"] == 1)
    table = summary(frame.assign(bytes_to_target=frame["bytes_to_target"].mask(quiet, 0.0)), SENT).set_index(
        "contestant"
    )
    assert table.loc["slow", "ratio"] == 1.0
    assert table.loc["even", "ratio"] == pytest.approx(4**0.25)
    assert table["best"].all()
    assert set(senders(frame.assign(bytes_to_target=frame["bytes_to_target"].mask(quiet, 0.0)))["contestant"]) == set(
        SECONDS["ideal"]
    )


def test_one_seed_tells_nobody_apart() -> None:
    table = summary(FRAME[FRAME["seed"] == 1], "seconds_to_target")
    assert table["best"].all()
