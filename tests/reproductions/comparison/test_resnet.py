"""ResNet-20 as a task of the comparison, on made images and a thin network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from algorithms.streams import stream
from reproductions.comparison.conditions import MODEL, condition
from reproductions.comparison.contestants import CONTESTANTS
from reproductions.comparison.race import Race
from reproductions.comparison.recipes import BRIEF, LARGE, resnet
from reproductions.comparison.resnet import ResNetTask
from reproductions.comparison.tasks import RaceTask
from reproductions.harness.runs.context import Context
from reproductions.paper import Settings
from reproductions.workloads.images import Images, ImageTask
from reproductions.workloads.resnet import ResNet

TUNED = 8


@dataclass(frozen=True)
class Made:
    """Noise of 3x32x32 bytes, half as many images for tests as for training."""

    name: ClassVar[str] = "made"
    net: ResNet = field(default_factory=lambda: ResNet(8, width=8))
    size: int = 48

    def load(self, data: Path | None, device: str = "cpu") -> ImageTask:
        rng = stream(0, "made")
        pixels = rng.integers(256, size=(self.size * 3 // 2, 32, 32, 3), dtype=np.uint8)
        labels = np.arange(len(pixels)) % 10
        train, test = (Images(pixels[part], labels[part]) for part in (slice(self.size), slice(self.size, None)))
        return ImageTask("made", train, test, self.net.build, 256.0, None, device)


def made(**fields: Any) -> ResNetTask:
    return ResNetTask(workload=Made(), tuned=TUNED, **fields)  # type: ignore[arg-type]


@pytest.fixture
def task() -> Iterator[RaceTask]:
    with made().ready(Context()) as task:
        yield task


def network(task: RaceTask, parameters: torch.Tensor) -> nn.Module:
    """Return a network with these parameters whose batch norms know only the batch, built in another way."""
    model = Made().net.build()
    nn.utils.vector_to_parameters(parameters.clone(), model.parameters())
    return model.train()


def test_gradients_are_those_of_each_model_on_its_own_samples(task: RaceTask) -> None:
    images = Made().load(None)
    models = torch.stack([task.start(), 1.1 * task.start()])
    samples = np.array([[0, 1, 2, 3], [7, 8, 9, 9]])
    for found, model, own in zip(task.gradients(models, samples), models, samples, strict=True):
        net = network(task, model)
        x, y = images.batch(own, 0, 0, 0)
        nn.functional.cross_entropy(net(x), y).backward()
        wanted = torch.cat([parameter.grad.flatten() for parameter in net.parameters()])  # type: ignore[union-attr]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_losses_are_those_of_batch_statistics_and_of_no_history(task: RaceTask) -> None:
    images, start = Made().load(None), task.start()
    before = {part: task.losses(start[None], part)[0] for part in ("validation", "test")}
    task.gradients(5 * start[None], np.array([[0, 1]]))
    for part, sides in (("validation", images.train), ("test", images.test)):
        rows = slice(-TUNED, None) if part == "validation" else slice(None)
        x = images._input(torch.from_numpy(sides.pixels[rows]))
        with torch.no_grad():
            wanted = nn.functional.cross_entropy(network(task, start)(x), torch.from_numpy(sides.labels[rows])).item()
        assert before[part] == pytest.approx(wanted, rel=1e-5)
        assert task.losses(torch.stack([start, start]), part).tolist() == [before[part]] * 2
    assert task.losses(torch.full_like(start, torch.nan)[None], "test")[0] == np.inf


def test_validation_samples_are_never_drawn(task: RaceTask) -> None:
    drawn = task.drawn(4, 200, 0, by_target=False)
    assert set(drawn.ravel()) == set(range(Made().size - TUNED))


@pytest.mark.parametrize("who", ["RPS", "PopSGD, one-sided", "cluster SGD"])
def test_a_race_tunes_and_runs(who: str) -> None:
    place = replace(condition("ideal"), workers=4)
    race = Race(who, place, made(), (place,), steps=3, trials=2, seed=0)
    context = Context()
    race.execute(context)
    found = {name: [value for _, metric, value in context.rows if metric == name] for name in ("loss", "try_lr")}
    assert context.notes["workload"] == "made"
    assert found["loss"]
    assert np.isfinite(found["loss"]).all()
    assert len(found["try_lr"]) == 2


def test_a_model_is_as_long_as_what_is_charged() -> None:
    assert sum(parameter.numel() for parameter in ResNet().build().parameters()) == MODEL


def test_there_are_races_from_small_scale_on_and_what_is_shared_counts_once() -> None:
    assert resnet(Settings(scale="smoke")) == {}
    grid = resnet(Settings(scale="small", seeds=3))
    assert set(grid) == {(who.name, where) for who in CONTESTANTS for where in BRIEF}
    size = LARGE["small"]
    run = size.steps * size.workers * ResNetTask.batch
    whole = (3 + 2 * size.trials) * run
    counted = {who: sum(race.samples for where in BRIEF for race in grid[who, where]) for who in ("EASGD", "PopSGD")}
    assert counted == {"EASGD": 2 * whole, "PopSGD": 5 * whole}  # data that are sorted make another run
