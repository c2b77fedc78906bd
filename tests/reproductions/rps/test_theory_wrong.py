"""The reproductions of the lemmas, Theorem 1 and Corollary 2 can fail: wrong algorithms turn their claims red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.algorithm import Algorithm
from algorithms.network import Delivered, IndependentDrops, Lossless, Network
from algorithms.rps.averaging import ModelAveraging
from algorithms.rps.servers import ServerAveraging
from algorithms.world import World
from reproductions.experiments import descent
from reproductions.paper import FigureFolder, Settings
from reproductions.rps import (
    bounds,
    exact,
    test_figures2_3,
    test_lemma4,
    test_lemmas3_5,
    test_lemmas6_8,
    test_rates,
    test_theorem1,
)
from reproductions.rps.bounds import Setting
from reproductions.rps.masked import MaskedAveraging
from reproductions.workloads.objectives import Quadratic
from tests.reproductions.lab import assert_red, decider, remembered, simulate
from tests.reproductions.rps.wrong import (
    DropsIgnored,
    FollowsOne,
    HardlyMoves,
    NoAveraging,
    OwnBlockTwice,
    PreStepFallback,
)

SETTINGS = Settings(seeds=6)
Grid = dict[Any, list[Any]]


@dataclass(frozen=True)
class TooSteep(Quadratic):
    """Gradients are three times as large as the constants say."""

    def gradients(self, x: Tensor, workers: Sequence[int], n: int) -> Tensor:
        return 3 * super().gradients(x, workers, n)


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "FEWEST", SETTINGS.seeds)


def chosen(experiments: Grid, algorithm: Algorithm | None, *kinds: str) -> Grid:
    """Return the experiments of some kinds, or all; with another algorithm in the place of RPS, if one is given."""
    ours = (ModelAveraging, MaskedAveraging) if algorithm else ()
    return {
        label: [replace(e, algorithm=algorithm) if isinstance(e.algorithm, ours) else e for e in group]
        for label, group in experiments.items()
        if not kinds or label in kinds or label[0] in kinds
    }


@pytest.mark.parametrize(
    ("claim_id", "test", "algorithms"),
    [
        ("rps-eq22-contraction", test_lemma4.test_contraction, (NoAveraging(), DropsIgnored(), OwnBlockTwice())),
        ("rps-lemma4-second-moment", test_lemma4.test_second_moment, (NoAveraging(), DropsIgnored(), OwnBlockTwice())),
        ("rps-lemma4-mean", test_lemma4.test_mean_step, (PreStepFallback(),)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rounds_tell_wrong_algorithms(claim_id, test, algorithms):
    for algorithm in algorithms:
        runs = remembered(chosen(test_lemma4.experiments(SETTINGS), algorithm))
        assert_red(claim_id, lambda claim, runs=runs: test(claim, runs))


def test_without_averaging_workers_drift_apart():
    runs = remembered(chosen(test_lemmas3_5.experiments(SETTINGS), NoAveraging()))
    assert_red("rps-lemma3-consensus-bound", lambda claim: test_lemmas3_5.test_consensus(claim, runs))


def test_constants_that_are_too_small_violate_lemma5():
    runs = remembered(steep(chosen(test_lemmas3_5.experiments(SETTINGS), None), "bowl"))
    assert_red("rps-lemma5-bound", lambda claim: test_lemmas3_5.test_intermediate(claim, runs))


def steep(experiments: Grid, problem: str) -> Grid:
    """Return the experiments with an objective that is too steep in one problem."""
    return {
        label: [replace(e, objective=TooSteep(**vars(e.objective))) for e in group] if label[0] == problem else group
        for label, group in experiments.items()
    }


def test_a_fallback_to_the_model_before_the_step_violates_theorem1(tmp_path):
    runs = remembered(chosen(test_theorem1.experiments(SETTINGS), PreStepFallback()))
    figures = FigureFolder(tmp_path)
    assert_red("rps-theorem1-bound", lambda claim: test_theorem1.test_theorem1(claim, runs, figures))


def test_gradients_that_are_too_steep_are_no_mean_of_equation_11():
    runs = remembered(steep(chosen(test_theorem1.experiments(SETTINGS), None), "noiseless bowl"))
    assert_red("rps-eq11-mean", lambda claim: test_theorem1.test_missing_factor(claim, runs))


def test_a_step_size_that_ignores_beta_violates_its_conditions(monkeypatch):
    right = bounds.corollary_step
    monkeypatch.setattr(bounds, "corollary_step", lambda s, steps: right(s, steps) / s.contraction)
    assert_red("rps-cor2-step-size", test_theorem1.test_step_size)


# ------------------------------------------------------------------------------------------------- bounds too small


class WithoutDrops(Setting):
    """A setting whose bounds forget that averages are biased by drops."""

    alpha2 = 0.0


def too_small(name: str, s: Setting, value: float) -> float:
    return {"lemma3": s.contraction, "lemma5": 0.5, "corollary": 1 / 3}[name] * value


@pytest.mark.parametrize("name", ["lemma3", "lemma5", "corollary"])
def test_smaller_bounds_are_violated(name, monkeypatch):
    """One factor 1 - sqrt(beta) less in Lemma 3, half of Lemma 5, a third of Corollary 2."""
    right = getattr(bounds, name)

    def less(s: Setting, *arguments: float, printed: bool = False) -> float:
        return right(s, *arguments, printed) if printed else too_small(name, s, right(s, *arguments))

    monkeypatch.setattr(bounds, name, less)
    claim_id, test, experiments = {
        "lemma3": ("rps-lemma3-consensus-bound", test_lemmas3_5.test_consensus, test_lemmas3_5.experiments),
        "lemma5": ("rps-lemma5-bound", test_lemmas3_5.test_intermediate, test_lemmas3_5.experiments),
        "corollary": ("rps-appc-constants", test_rates.test_constants, test_rates.experiments),
    }[name]
    kinds = ("still",) if name == "corollary" else ()
    runs = remembered(chosen(experiments(SETTINGS), None, *kinds))
    assert_red(claim_id, lambda claim: test(claim, runs))


def test_theorem1_needs_its_terms_in_alpha2(monkeypatch, tmp_path):
    right = bounds.theorem1
    monkeypatch.setattr(bounds, "theorem1", lambda s, *arguments: right(WithoutDrops(*s), *arguments))
    runs = remembered(chosen(test_theorem1.experiments(SETTINGS), None))
    figures = FigureFolder(tmp_path)
    assert_red("rps-theorem1-bound", lambda claim: test_theorem1.test_theorem1(claim, runs, figures))


@pytest.mark.parametrize(
    ("claim_id", "test", "name"),
    [
        ("rps-alpha2-order", test_figures2_3.test_order_of_alpha2, "alpha2"),
        ("rps-beta-order", test_figures2_3.test_order_of_beta, "beta"),
    ],
)
def test_a_twentieth_root_of_n_is_growth(claim_id, test, name, monkeypatch):
    right = getattr(exact, name)
    monkeypatch.setattr(exact, name, lambda n, p: right(n, p) * n**0.05 / 2)  # at most the constant that is allowed
    assert_red(claim_id, test)


# ------------------------------------------------------------------------------------------------------------ rates


@pytest.fixture
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take fewer steps and workers: wrong algorithms show at once."""
    monkeypatch.setattr(test_rates, "LEADING_STEPS", (64, 128, 256))
    monkeypatch.setattr(test_rates, "WIDE_NODES", (4, 8))
    monkeypatch.setattr(test_rates, "WIDE_STEPS", 64)


@pytest.mark.usefixtures("shorter")
@pytest.mark.parametrize(
    ("claim_id", "kinds", "algorithm"),
    [
        ("rps-cor2-rate", ["leading", "rate"], PreStepFallback()),
        ("rps-cor2-rate", ["leading", "rate"], HardlyMoves()),
        ("rps-appc-constants", ["still"], HardlyMoves()),
        ("rps-linear-speedup", ["wide", "messages", "floor"], NoAveraging()),
        ("rps-linear-speedup", ["wide", "messages", "floor"], FollowsOne()),
        ("rps-larger-network-better", ["floor"], DropsIgnored()),
        ("rps-ball-constant-lr", ["constant", "decayed"], NoAveraging()),
        ("rps-abstract-comparable-rate", ["lossy", "reliable"], NoAveraging()),
    ],
)
def test_rates_tell_wrong_algorithms(claim_id, kinds, algorithm, tmp_path):
    tests = {
        "rps-cor2-rate": lambda claim: test_rates.test_rate(claim, runs, FigureFolder(tmp_path)),
        "rps-appc-constants": lambda claim: test_rates.test_constants(claim, runs),
        "rps-linear-speedup": lambda claim: test_rates.test_speedup(claim, runs),
        "rps-larger-network-better": lambda claim: test_rates.test_larger_networks(claim, runs),
        "rps-ball-constant-lr": lambda claim: test_rates.test_ball(claim, runs),
        "rps-abstract-comparable-rate": lambda claim: test_rates.test_comparable(claim, runs),
    }
    runs = remembered(chosen(test_rates.experiments(SETTINGS), algorithm, *kinds))
    assert_red(claim_id, tests[claim_id])


@pytest.mark.usefixtures("shorter")
def test_the_runs_of_many_workers_have_to_be_those_of_messages(monkeypatch):
    monkeypatch.setattr(MaskedAveraging, "step", OwnBlockTwice().step)
    runs = simulate(chosen(test_rates.experiments(SETTINGS), None, "wide", "messages", "floor"))
    claim = decider("rps-linear-speedup")
    with pytest.raises(pytest.fail.Exception, match="value 2 of 3 is"):
        test_rates.test_speedup(claim, runs)


@pytest.mark.parametrize("n", [2, 5, 16])
def test_averaging_by_masks_is_that_of_messages(n):
    worlds = [World(None, n, IndependentDrops(0.4, seed=4), seed=4) for _ in range(2)]
    start, g = (torch.from_numpy(worlds[0].stream(name).normal(size=(n, 37))) for name in ("x", "g"))
    x, y = start.clone(), start.clone()
    for t in range(20):
        MaskedAveraging().step(worlds[0], x, g.clone(), {}, t, lr=0.1)
        ModelAveraging().step(worlds[1], y, g.clone(), {}, t, lr=0.1)
    torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)
    assert not torch.equal(x, start)


def test_the_exact_moments_are_those_of_a_run_without_drops():
    # one worker's gradient descent on a bowl: |grad f|^2 falls by (1 - gamma)^2 a step, from 2 L (f(0) - f*)
    s = Setting(2, 0.0, 1.0, 0.0, 0.0, 2.0)
    assert bounds.expected(s, 0.5, 3).gradient == pytest.approx(4 * (1 + 0.25 + 0.0625) / 3)


# ---------------------------------------------------------------------------------------------------------- servers


class ServersIgnoreDrops(ServerAveraging):
    """Lost messages of servers are used all the same."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        network, world.network = world.network, Lossless()
        super().step(world, x, g, state, t, lr)
        world.network = network


class SameFate(ServerAveraging):
    """Losses of the pull are those of the push."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        network, world.network = world.network, SameWayBack(world.network)
        super().step(world, x, g, state, t, lr)
        world.network = network


@dataclass(frozen=True)
class SameWayBack:
    """A message comes back if it went there: both phases of a round have one fate."""

    network: Network

    def delivered(self, step: int, phase: str, workers: int) -> Delivered:
        there = self.network.delivered(step, "push", workers)
        return there.T if phase == "pull" else there


@pytest.mark.parametrize("wrong", [ServersIgnoreDrops, SameFate])
def test_servers_apart_have_to_lose_messages_independently(wrong):
    right = test_lemmas6_8.experiments(SETTINGS)
    swapped = {"apart": [replace(e, algorithm=wrong(e.algorithm.servers)) for e in right["apart"]]}
    runs = remembered(swapped)
    assert_red("rps-footnote1-any-servers", lambda claim: test_lemmas6_8.test_servers_unlike_workers(claim, runs))
