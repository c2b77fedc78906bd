"""The claims about time can fail: wrong systems, on ranks of their own, turn them red."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from torch import Tensor

from algorithms.coopsgd.cooperative import CooperativeSGD, value
from algorithms.coopsgd.overlap import Overlap
from algorithms.topology import zeta
from algorithms.world import World
from reproductions.coopsgd import (
    stragglers,
    test_figure1,
    test_figure4c,
    test_figure6,
    test_savings,
    time_model,
)
from reproductions.coopsgd.stragglers import ShiftedExponential
from reproductions.coopsgd.timeline import (
    BLOCKING_HIERARCHY,
    ELASTIC,
    HIERARCHY,
    OVERLAPPED,
    PERIODIC,
    SYNCHRONOUS,
    Timeline,
    timeline,
)
from reproductions.harness.runs.runner import Runner
from reproductions.paper import FigureFolder, Run, Runs, Settings, exactly
from tests.reproductions.lab import assert_red, decided

SETTINGS = Settings()


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


@dataclass(frozen=True)
class NeverUpdated(CooperativeSGD):
    """Sends every message, but the background leaves auxiliary variables as they are."""

    def _background(self, world: World) -> Overlap:
        overlap = super()._background(world)
        overlap.anchors = []
        return overlap


def of_class(kind: type[CooperativeSGD], algorithm: CooperativeSGD) -> CooperativeSGD:
    return kind(**vars(algorithm))


def direct_talk() -> CooperativeSGD:
    """Workers 2 and 3, of different groups, exchange models."""
    w = HIERARCHY.W
    w[[1, 1, 2, 2], [1, 2, 1, 2]] += [-0.1, 0.1, 0.1, -0.1]
    return replace(HIERARCHY, weights=value(w))


SYSTEMS = {
    "synchronous": SYNCHRONOUS,
    "periodic": PERIODIC,
    "every step": of_class(EveryStep, PERIODIC),
    "blocking": ELASTIC,
    "never updated": of_class(NeverUpdated, OVERLAPPED),
    "hierarchy": HIERARCHY,
    "blocking hierarchy": BLOCKING_HIERARCHY,
    "in truth blocking hierarchy": of_class(InTruthBlocking, HIERARCHY),
    "hierarchy, never updated": of_class(NeverUpdated, HIERARCHY),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Runs[Timeline]:
    """Record all wrong systems, in one launch."""
    folder = tmp_path_factory.mktemp("recorded")
    seeds = {name: 4 if algorithm.v == 0 else 3 for name, algorithm in SYSTEMS.items()}
    experiments = [timeline(algorithm, seed) for name, algorithm in SYSTEMS.items() for seed in range(seeds[name])]
    runs = Runner(Settings(device="cpu", ranks=1, results=folder)).run(experiments)
    assert {run.provenance["ranks"] for run in runs} == {4, 5, 6}  # one per worker, whatever the settings say
    each = iter(runs)
    return Runs({name: [next(each) for _ in range(count)] for name, count in seeds.items()})


def standing_for(runs: Sequence[Run[Timeline]], algorithm: CooperativeSGD) -> list[Run[Timeline]]:
    """Return the runs as if an algorithm had made them."""
    return [replace(run, experiment=replace(run.experiment, algorithm=algorithm)) for run in runs]


def figure1(recorded: Runs[Timeline], **changed: str) -> Runs[Timeline]:
    """Return runs for figure 1, with those of wrong systems in some of its panels."""
    systems = {"often": "synchronous", "seldom": "periodic", "blocking": "blocking", "beside": "blocking"} | changed
    panels = (test_figure1.OFTEN, test_figure1.SELDOM, test_figure1.BLOCKING, test_figure1.BESIDE)
    return Runs({panel: recorded[systems[name]] for panel, name in zip(panels, systems, strict=True)})


@pytest.fixture
def no_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_figure1, "PANELS", {test_figure1.SELDOM: PERIODIC})


@pytest.mark.usefixtures("no_chart")
def test_averaging_every_step_is_seen_in_traffic_and_idle_time(recorded: Runs[Timeline], tmp_path: Path) -> None:
    runs, figures = figure1(recorded, seldom="every step"), FigureFolder(tmp_path)
    assert_red("coopsgd-sec33-delay-tau", lambda claim: test_figure1.test_delay_is_tau_times_smaller(claim, runs))
    verdict = decided(test_figure1.test_idle_time_is_reduced, "coopsgd-fig1-idle-time", runs=runs, figures=figures)
    assert verdict.verdict in {"deviates", "inconclusive"}  # the second on a crowded machine


@pytest.mark.usefixtures("no_chart")
def test_without_randomness_there_is_no_idle_time_to_reduce(
    recorded: Runs[Timeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = ShiftedExponential(0.01, 0.0)
    steady = Runs({
        panel: [replace(run, experiment=replace(run.experiment, compute=frozen)) for run in group]
        for panel, group in figure1(recorded).items()
    })  # fmt: skip
    monkeypatch.setattr(test_figure1, "_reduced", lambda *idle: exactly([True], [True]))  # formula alone
    figures = FigureFolder(tmp_path)
    assert_red("coopsgd-fig1-idle-time", lambda claim: test_figure1.test_idle_time_is_reduced(claim, steady, figures))


@pytest.mark.usefixtures("no_chart")
def test_auxiliary_variables_that_are_never_updated_in_the_background_are_noticed(
    recorded: Runs[Timeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = FigureFolder(tmp_path)
    runs = figure1(recorded, beside="never updated")
    monkeypatch.setattr(test_figure1, "_reduced", lambda *idle: exactly([True], [True]))  # times alone do not tell
    assert_red("coopsgd-fig1-idle-time", lambda claim: test_figure1.test_idle_time_is_reduced(claim, runs, figures))
    groups = {"beside": recorded["hierarchy, never updated"], "blocking": recorded["blocking hierarchy"]}
    assert_red("coopsgd-fig6-hierarchical", lambda claim: test_figure6.test_hierarchy(claim, Runs(groups), figures))
    overlap = Runs({test_figure4c.BLOCKING: recorded["blocking"], test_figure4c.BESIDE: recorded["never updated"]})
    monkeypatch.setattr(test_figure4c, "less", lambda *_, **__: exactly([True], [True]))
    assert_red(
        "coopsgd-fig4c-nonblocking", lambda claim: test_figure4c.test_overlap_saves_time(claim, SETTINGS, overlap)
    )


def test_a_hierarchy_that_blocks_does_not_communicate_beside_local_updates(
    recorded: Runs[Timeline], tmp_path: Path
) -> None:
    groups = {"beside": recorded["in truth blocking hierarchy"], "blocking": recorded["blocking hierarchy"]}
    runs, figures = Runs(groups), FigureFolder(tmp_path)
    verdict = decided(test_figure6.test_hierarchy, "coopsgd-fig6-hierarchical", runs=runs, figures=figures)
    assert verdict.verdict in {"deviates", "inconclusive"}  # the second on a crowded machine


def test_groups_that_talk_directly_are_no_hierarchy(recorded: Runs[Timeline], tmp_path: Path) -> None:
    beside = standing_for(recorded["hierarchy"], direct_talk())
    runs, figures = Runs({"beside": beside, "blocking": recorded["blocking hierarchy"]}), FigureFolder(tmp_path)
    assert zeta(direct_talk().W) < 1
    assert_red("coopsgd-fig6-hierarchical", lambda claim: test_figure6.test_hierarchy(claim, runs, figures))


def test_overlap_that_blocks_in_truth_saves_nothing(recorded: Runs[Timeline]) -> None:
    slower = [replace(run, frame=run.frame.assign(value=1.05 * run.frame["value"])) for run in recorded["blocking"]]
    runs = Runs({test_figure4c.BLOCKING: recorded["blocking"], test_figure4c.BESIDE: slower})
    assert_red("coopsgd-fig4c-nonblocking", lambda claim: test_figure4c.test_overlap_saves_time(claim, SETTINGS, runs))


def test_overlap_without_need_of_the_auxiliary_variable_would_save_more_than_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers that never wait for z are no EASGD, but would save nearly all."""
    monkeypatch.setattr(stragglers, "nonblocking", lambda compute, *_: float(compute.sum(axis=0).max()))
    with pytest.raises(AssertionError):
        test_figure4c.test_overlap_saves_at_most_half_where_exchanges_take_as_long()


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


def test_a_period_of_less_than_m_is_not_always_faster_than_gossip(monkeypatch: pytest.MonkeyPatch) -> None:
    right = time_model.Volume.over
    monkeypatch.setattr(time_model.Volume, "over", lambda volume, iterations: right(volume, iterations - 1))
    assert_red("coopsgd-pasgd-tau-m", test_savings.test_pasgd_with_a_period_of_m_is_faster_than_gossip)


def test_gossip_that_costs_nothing_beats_m_and_any_range(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def free(algorithm: CooperativeSGD) -> time_model.Volume:
        volume = exposed(algorithm)
        return volume if algorithm.W.all() else time_model.Volume(volume.messages / 8, volume.models / 8)

    exposed = time_model.exposed
    monkeypatch.setattr(time_model, "exposed", free)
    monkeypatch.setattr(test_savings, "exposed", free)
    assert_red("coopsgd-comm-reduction-max-m", test_savings.test_reduction_by_sparse_graphs_is_at_most_m)
    figures = FigureFolder(tmp_path)
    assert_red("coopsgd-fig7-dpsgd-time", lambda claim: test_savings.test_saving_of_a_ring(claim, figures))
