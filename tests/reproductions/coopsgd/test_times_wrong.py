"""The claims about time can fail: wrong systems, on ranks of their own, turn them red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from torch import Tensor

from algorithms.cooperative import CooperativeSGD, value
from algorithms.topology import zeta
from algorithms.world import World
from reproductions.coopsgd import (
    setups,
    stragglers,
    test_figure1,
    test_figure6,
    test_nonblocking,
    test_savings,
    times,
)
from reproductions.coopsgd.setups import timeline
from reproductions.coopsgd.stragglers import ShiftedExponential
from reproductions.harness.decisions import exactly
from reproductions.harness.figures import FigureFolder
from reproductions.harness.runner import Runner
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run
from tests.reproductions.lab import assert_red

SEEDS = range(4)


@dataclass(frozen=True)
class EveryStep(CooperativeSGD):
    """Averages after every iteration, whatever tau."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g, state, self.tau * (t + 1) - 1, lr)


@dataclass(frozen=True)
class InTruthBlocking(CooperativeSGD):
    """Waits for the background right after it has started it."""

    def step(self, world: World, x: Tensor, g: Tensor, state: dict[str, Tensor], t: int, lr: float) -> None:
        super().step(world, x, g, state, t, lr)
        self.settle(world, x)


def of_class(kind: type[CooperativeSGD], algorithm: CooperativeSGD) -> CooperativeSGD:
    return kind(**vars(algorithm))


def direct_talk() -> CooperativeSGD:
    """Workers 2 and 3, of different groups, exchange models."""
    w = setups.HIERARCHY.W
    w[[1, 1, 2, 2], [1, 2, 1, 2]] += [-0.1, 0.1, 0.1, -0.1]
    return replace(setups.HIERARCHY, weights=value(w))


SYSTEMS = {
    "synchronous": setups.SYNCHRONOUS,
    "every step": of_class(EveryStep, setups.PERIODIC),
    "blocking hierarchy": of_class(InTruthBlocking, setups.HIERARCHY),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    """Record all wrong systems, in one launch."""
    folder = tmp_path_factory.mktemp("recorded")
    experiments = [timeline(algorithm, seed) for algorithm in SYSTEMS.values() for seed in SEEDS]
    runs = Runner(Settings(device="cpu", ranks=1, results=folder)).run(experiments)
    assert {run.provenance["ranks"] for run in runs} == {4, 6}  # one per worker, whatever the settings say
    return {name: runs[len(SEEDS) * i : len(SEEDS) * (i + 1)] for i, name in enumerate(SYSTEMS)}


def standing_for(runs: Sequence[Run], algorithm: CooperativeSGD) -> list[Run]:
    """Return the runs as if an algorithm had made them."""
    return [replace(run, experiment=replace(run.experiment, algorithm=algorithm)) for run in runs]  # type: ignore[type-var]


def test_averaging_every_step_is_seen_in_traffic_and_idle_time(
    recorded: dict[str, list[Run]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [*recorded["synchronous"], *standing_for(recorded["every step"], setups.PERIODIC)]
    monkeypatch.setattr(test_figure1, "PANELS", {"": setups.PERIODIC})
    assert_red("coopsgd-sec33-delay-tau", lambda claim: test_figure1.test_delay_is_tau_times_smaller(claim, runs))
    figures = FigureFolder(tmp_path)
    assert_red("coopsgd-fig1-idle-time", lambda claim: test_figure1.test_idle_time_is_reduced(claim, runs, figures))


def test_without_randomness_there_is_no_idle_time_to_reduce(
    recorded: dict[str, list[Run]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [*recorded["synchronous"], *standing_for(recorded["every step"], setups.PERIODIC)]
    frozen = ShiftedExponential(0.01, 0.0)
    steady = [replace(run, experiment=replace(run.experiment, compute=frozen)) for run in runs]  # type: ignore[type-var]
    monkeypatch.setattr(test_figure1, "PANELS", {"": setups.PERIODIC})
    monkeypatch.setattr(test_figure1, "_reduced", lambda *idle: exactly([True], [True]))  # formula alone
    figures = FigureFolder(tmp_path)
    assert_red("coopsgd-fig1-idle-time", lambda claim: test_figure1.test_idle_time_is_reduced(claim, steady, figures))


def test_a_hierarchy_that_blocks_does_not_communicate_beside_local_updates(
    recorded: dict[str, list[Run]], tmp_path: Path
) -> None:
    runs, figures = recorded["blocking hierarchy"], FigureFolder(tmp_path)
    assert_red("coopsgd-fig6-hierarchical", lambda claim: test_figure6.test_hierarchy(claim, runs, figures))


def test_groups_that_talk_directly_are_no_hierarchy(recorded: dict[str, list[Run]], tmp_path: Path) -> None:
    runs, figures = standing_for(recorded["blocking hierarchy"], direct_talk()), FigureFolder(tmp_path)
    assert zeta(direct_talk().W) < 1
    assert_red("coopsgd-fig6-hierarchical", lambda claim: test_figure6.test_hierarchy(claim, runs, figures))


def test_overlap_without_need_of_the_auxiliary_variable_would_save_more_than_half(
    recorded: dict[str, list[Run]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Workers that never wait for z are no EASGD, but would save nearly all: the erratum does not stand for them."""
    monkeypatch.setattr(stragglers, "nonblocking", lambda compute, *_: float(compute.sum(axis=0).max()))
    runs, figures = recorded["synchronous"], FigureFolder(tmp_path)
    assert_red(
        "coopsgd-fig4c-nonblocking", lambda c: test_nonblocking.test_overlap_saves_at_most_half(c, runs, figures)
    )


@pytest.mark.parametrize(
    ("claim_id", "name", "wrong"),
    [
        ("coopsgd-fig5-throughput", "PASGD", replace(test_savings.PASGD, tau=1)),
        ("coopsgd-fig5-throughput", "DPASGD", of_class(EveryStep, test_savings.DPASGD)),
        ("coopsgd-fig5-speedup", "DPASGD", replace(test_savings.DPASGD, tau=1)),
    ],
)
def test_times_of_periods_that_are_not_kept(
    claim_id: str, name: str, wrong: CooperativeSGD, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = {"throughput": test_savings.test_throughput_is_that_of_a_long_period,
             "speedup": test_savings.test_periods_speed_up_gossip}  # fmt: skip
    monkeypatch.setattr(test_savings, name, wrong)
    assert_red(claim_id, tests[claim_id.rsplit("-", maxsplit=1)[1]])


def test_gossip_that_costs_nothing_beats_m_and_any_range(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def free(algorithm: CooperativeSGD) -> times.Volume:
        volume = exposed(algorithm)
        return volume if algorithm.W.all() else times.Volume(volume.messages / 8, volume.models / 8)

    exposed = times.exposed
    monkeypatch.setattr(times, "exposed", free)
    monkeypatch.setattr(test_savings, "exposed", free)
    assert_red("coopsgd-comm-reduction-max-m", test_savings.test_reduction_by_sparse_graphs_is_at_most_m)
    figures = FigureFolder(tmp_path)
    assert_red("coopsgd-fig7-dpsgd-time", lambda claim: test_savings.test_saving_of_a_ring(claim, figures))
