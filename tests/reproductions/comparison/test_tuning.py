"""The protocol of tuning: equal for all, blind for the test part, every try kept."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from algorithms.rps.averaging import ModelAveraging
from reproductions.comparison import tuning
from reproductions.comparison.conditions import CONDITIONS, IDEAL, NetworkCondition
from reproductions.comparison.contestants import CONTESTANTS, contestant, own
from reproductions.comparison.log import RaceLog, Seen
from reproductions.comparison.race import Race
from reproductions.comparison.recipes import RECIPES
from reproductions.comparison.tasks import DigitsTask, Part, SquaresTask
from reproductions.comparison.tuning import Choice, Trial, choices, run, tuned
from tests.reproductions.lab import simulate

WHERE, STEPS, TRIALS = replace(IDEAL, workers=4), 24, 4
WHO = contestant("periodic averaging")


@dataclass(frozen=True)
class Spoiled(DigitsTask):
    """DigitsTask whose test part says the opposite."""

    def losses(self, models: torch.Tensor, part: Part) -> np.ndarray:
        values = super().losses(models, part)
        return 10 - values if part == "test" else values


Tuned = Callable[..., dict[NetworkCondition, tuple[Choice, list[Trial]]]]


def depends_on_the_test_part(tune: Tuned) -> bool:
    found = [tune(WHO, (WHERE,), task, STEPS, TRIALS)[WHERE][0] for task in (DigitsTask(), Spoiled())]
    return found[0] != found[1]


def test_the_test_part_has_no_say() -> None:
    assert not depends_on_the_test_part(tuned)


def test_tuning_on_the_test_part_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = RaceLog.reached
    monkeypatch.setattr(RaceLog, "reached", lambda log, what, loss="loss", stays=False: right(log, what, stays=stays))
    monkeypatch.setattr(tuning, "end", lambda log: log.rows[-1].seen.loss)
    assert depends_on_the_test_part(tuned)


def test_all_contestants_have_the_same_tries_of_the_step_size() -> None:
    tried = {who.name: [choice.lr for choice in choices(who, DigitsTask(), 6)] for who in CONTESTANTS}
    assert len({tuple(rates) for rates in tried.values()}) == 1
    low, high = DigitsTask.rates
    rates = next(iter(tried.values()))
    assert all(low <= rate <= high * 1.01 for rate in rates)
    assert sorted(rates) == rates


def test_all_knobs_are_tried() -> None:
    for who in CONTESTANTS:
        for name, values in who.knobs.items():
            assert {dict(choice.knobs)[name] for choice in choices(who, DigitsTask(), 60)} == set(values)


def test_the_best_of_the_tries_is_chosen() -> None:
    choice, tried = tuned(WHO, (WHERE,), DigitsTask(), STEPS, TRIALS)[WHERE]
    assert [trial.choice for trial in tried] == choices(WHO, DigitsTask(), TRIALS)
    best = min(tried, key=lambda trial: (trial.seconds, trial.validation_loss))
    assert choice == best.choice


SEVERAL = tuple(
    replace(each, workers=4) for each in CONDITIONS if each.name in ("ideal", "20 Mbit/s", "a quarter crashes")
)


def whole_tries(who: str, condition: NetworkCondition, steps: int) -> list[Trial]:
    """Return what the tries of a contestant find that are all run to their end, in one condition alone."""
    tried = []
    for choice in choices(contestant(who), SquaresTask(), TRIALS):
        logs = [run(contestant(who), choice, (condition,), SquaresTask(), steps, seed)[0] for seed in tuning.TUNING]
        seconds = np.mean([log.reached("seconds", "validation_loss", stays=True) for log in logs])
        tried.append(Trial(choice, float(seconds), float(np.mean([tuning.end(log) for log in logs])), False))
    return tried


@pytest.mark.parametrize("who", ["synchronous SGD", "RPS", "PopSGD", "cluster SGD"])
def test_giving_up_changes_no_choice(who: str) -> None:
    given_up = 0
    for condition in SEVERAL:
        together = tuning.sharing(contestant(who), condition, SEVERAL)
        choice, tried = tuned(contestant(who), together, SquaresTask(), 40, TRIALS)[condition]
        whole = whole_tries(who, condition, 40)
        best = min(whole, key=lambda trial: (trial.seconds, trial.validation_loss))
        assert choice == best.choice
        for early, late in zip(tried, whole, strict=True):
            assert early.choice == late.choice
            assert best.seconds <= early.seconds
            assert early.seconds <= late.seconds if early.given_up else early.seconds == late.seconds
            given_up += early.given_up and early.seconds < late.seconds
    assert given_up >= 3


def test_a_try_that_is_given_up_saves_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[RaceLog] = []
    monkeypatch.setattr(tuning, "run", lambda *arguments: made.extend(found := run(*arguments)) or found)
    tuned(contestant("PopSGD"), (WHERE,), SquaresTask(), 40, TRIALS)
    assert sum(log.rows[-1].step for log in made) < 0.7 * 40 * TRIALS * len(tuning.TUNING)


def test_a_run_keeps_every_try_and_is_none_of_them() -> None:
    seeds = {each.seed for each in _races()}
    assert not seeds & set(tuning.TUNING)
    run = simulate({"race": _races()})["race"][0]
    tries = run.series("try_lr")
    assert list(tries.index) == list(range(1, TRIALS + 1))
    assert run.series("chosen_lr")[0] in tries.to_numpy()
    assert {"try_seconds", "try_validation_loss", "try_given_up", "try_tau", "chosen_tau"} <= set(run.frame["metric"])


def _races() -> list[Race]:
    return [Race(WHO.name, WHERE, DigitsTask(), (WHERE,), STEPS, TRIALS, seed) for seed in range(2)]


def test_your_own_algorithm_is_tuned_like_all_others() -> None:
    mine = own("mine", ModelAveraging())
    assert [choice.lr for choice in choices(mine, DigitsTask(), 4)] == [
        choice.lr for choice in choices(WHO, DigitsTask(), 4)
    ]
    race = Race("mine", WHERE, DigitsTask(), (WHERE,), STEPS, TRIALS, 0, own=ModelAveraging())
    theirs = replace(race, contestant="RPS", own=None)
    runs = simulate({"both": [race, theirs]})["both"]
    assert runs[0].frame.equals(runs[1].frame)


def test_who_falls_back_has_not_got_there() -> None:
    log = RaceLog(DigitsTask())
    for step, loss in enumerate((1.0, 0.4, 0.6, 0.3, 0.2)):
        log.add(step, float(step), 0.0, Seen(loss, loss, loss, 0.0))
    assert 0 < log.reached("seconds") < 1
    assert 2 < log.reached("seconds", stays=True) < 3
    log.add(5, 5.0, 0.0, Seen(0.6, 0.6, 0.6, 0.0))
    assert log.reached("seconds", stays=True) == np.inf


def test_one_try_is_no_tuning() -> None:
    with pytest.raises(ValueError, match="1 tries tune nothing"):
        choices(WHO, DigitsTask(), 1)


def test_every_scale_gives_all_the_same_budget() -> None:
    for recipe in RECIPES.values():
        assert recipe.trials >= 4
        assert len({each.name for each in recipe.conditions}) == len(recipe.conditions)
