from pathlib import Path

import pytest
import torch

from algorithms.popsgd import onesided
from algorithms.popsgd.onesided import Interaction, average, partner_of, replay
from algorithms.popsgd.population import Averaging, constant, population, simulate
from reproductions.harness.runs.launcher import RanksFailed
from reproductions.harness.runs.runner import Runner
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run
from tests.algorithms.popsgd.onesided_ranks import BadInput, Dying, Overtaken, Population, Stress, descent

D, STEPS = 500, 30
GRID = {
    "one-sided": Population(3, 3, "one-sided", D, STEPS),
    "more nodes than ranks": Population(2, 5, "one-sided", D, STEPS),
    "symmetric": Population(3, 3, "symmetric", D, STEPS),
    "symmetric, more nodes": Population(2, 5, "symmetric", D, STEPS),
    "between machines": Population(3, 4, "one-sided", D, STEPS, mapped=False),
    "symmetric between machines": Population(3, 4, "symmetric", D, STEPS, mapped=False),
    "lock step": Population(2, 3, "one-sided", D, STEPS, lockstep=True),
    "bad input": BadInput(2),
    "overtaken": Overtaken(2),
    "stress": Stress(3, 200_000, 300),
    "stress between machines": Stress(3, 50_000, 100, mapped=False),
}

POPULATIONS = [name for name, experiment in GRID.items() if isinstance(experiment, Population)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    settings = Settings(device="cpu", results=tmp_path_factory.mktemp("onesided"), run_timeout=120)
    return dict(zip(GRID, Runner(settings).run(list(GRID.values())), strict=True))


@pytest.mark.parametrize("name", POPULATIONS)
def test_a_recorded_run_can_be_made_again_bitwise(name: str, runs: dict[str, Run]) -> None:
    run, setting = runs[name], GRID[name]
    assert run.final("record") == setting.nodes * STEPS
    assert run.final("differ") == 0


def test_a_fixed_order_gives_bitwise_what_the_specification_gives(runs: dict[str, Run]) -> None:
    assert runs["lock step"].final("exact") == 0
    assert runs["symmetric"].final("exact") > 0  # another rule: the comparison can fail


@pytest.mark.parametrize("name", ["stress", "stress between machines"])
def test_nobody_reads_half_of_a_model(name: str, runs: dict[str, Run]) -> None:
    assert runs[name].final("torn") == 0


def test_a_reader_that_two_writes_overtake_reads_again(runs: dict[str, Run]) -> None:
    assert runs["overtaken"].series("halves").tolist() == [1, 2]
    assert runs["overtaken"].series("whole").tolist() == [1, 0]


@pytest.mark.parametrize("name", POPULATIONS)
def test_the_ledger_is_exact(name: str, runs: dict[str, Run]) -> None:
    run, setting = runs[name], GRID[name]
    models = setting.nodes * STEPS * (2 if setting.averaging == "symmetric" else 1) + run.final("again")
    assert run.final("sent_messages") == run.final("received_messages") == models
    assert run.final("sent_bytes") == run.final("received_bytes") == models * 4 * D


def test_windows_refuse_what_they_cannot_hold(runs: dict[str, Run]) -> None:
    assert runs["bad input"].final("refused") == 3


def test_a_rank_that_dies_with_a_lock_ends_the_launch(tmp_path: Path) -> None:
    with pytest.raises(RanksFailed):
        Runner(Settings(device="cpu", results=tmp_path, run_timeout=30)).run([Dying(3)])


def test_partners_are_uniform_among_the_others() -> None:
    drawn = [partner_of(4, 0, 2, step) for step in range(300)]
    assert {drawn.count(node) > 60 for node in (0, 1, 3)} == {True}
    assert 2 not in drawn
    assert partner_of(1, 0, 0, 0) == 0


def test_average_is_of_the_model_after_its_step() -> None:
    x, u, y = torch.randn(3, 70_000, generator=torch.Generator().manual_seed(0))
    out = torch.empty_like(x)
    average(x, u, y, out)
    assert torch.equal(out, ((x - u) + y) / 2)
    average(x, None, y, out)
    assert torch.equal(out, (x + y) / 2)
    average(x, u, None, out)
    assert torch.equal(out, x - u)


def test_a_replay_refuses_a_version_that_nobody_made() -> None:
    with pytest.raises(ValueError, match=r"no node made what Interaction\(node=0, partner=1, .*other=3\) read"):
        replay(torch.zeros(2), [Interaction(0, 1, 0, 0, 3)], descent, "one-sided")


# ------------------------------------------------------------------------------------------------- wrong averaging


def in_turn(nodes: int, steps: int) -> list[Interaction]:
    """Return the record of nodes that interact one after the other by the one-sided rule."""
    return [
        Interaction(i, partner, step, step, step + (partner < i))
        for step in range(steps)
        for i in range(nodes)
        if (partner := partner_of(nodes, 0, i, step)) >= 0
    ]


def specified(averaging: Averaging) -> list[torch.Tensor]:
    state = population(torch.zeros(4, D).numpy())
    pairs = [(item.node, item.partner) for item in in_turn(4, 5)]
    step = lambda x, i, made: descent(torch.from_numpy(x), i, made).numpy()  # noqa: E731
    simulate(state, pairs, step, constant(1.0), averaging)
    return list(torch.from_numpy(state.x))


def replayed() -> list[torch.Tensor]:
    models = replay(torch.zeros(D), in_turn(4, 5), descent, "one-sided")
    return [models[i] for i in range(4)]


def before_the_step(x: torch.Tensor, u: torch.Tensor | None, y: torch.Tensor | None, out: torch.Tensor) -> None:
    torch.sub((x + y) / 2 if y is not None else x, u if u is not None else 0.0, out=out)


def no_averaging(x: torch.Tensor, u: torch.Tensor | None, y: torch.Tensor | None, out: torch.Tensor) -> None:
    torch.sub(x, u if u is not None else 0.0, out=out)


def test_a_replay_is_the_specification() -> None:
    assert all(torch.equal(a, b) for a, b in zip(replayed(), specified("one-sided"), strict=True))


@pytest.mark.parametrize("wrong", [before_the_step, no_averaging])
def test_wrong_averaging_is_not_the_specification(wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onesided, "average", wrong)
    assert not any(torch.equal(a, b) for a, b in zip(replayed(), specified("one-sided"), strict=True))


def test_an_unchanged_partner_is_not_the_symmetric_rule() -> None:
    assert not any(torch.equal(a, b) for a, b in zip(replayed(), specified("symmetric"), strict=True))
