from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from algorithms.streams import stream
from reproductions.workloads.base import DataError
from reproductions.workloads.imagenet import FolderTask, ImageNet


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, told apart by brightness, with images of different shapes."""
    root = tmp_path_factory.mktemp("data")
    for part, count in (("train", 6), ("val", 3)):
        for label, name in enumerate(("n01440764", "n01443537")):
            folder = root / "imagenet" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = stream(0, part, label, i).integers(100 * label, 100 * label + 100, (40 + i, 50, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.JPEG")
    return root


@pytest.fixture(scope="module")
def task(data: Path) -> FolderTask:
    return ImageNet("resnet18", pixels=32).load(data)


def test_folders_are_classes(task: FolderTask) -> None:
    assert (task.train_size, task.train.classes, task.label) == (12, ["n01440764", "n01443537"], "imagenet")
    x, y = task.batch(np.array([0, 11]), 0, 0, 0)
    assert x.shape == (2, 3, 32, 32)
    assert y.tolist() == [0, 1]
    assert x[1].mean() > x[0].mean()


def test_augmentation_is_keyed(task: FolderTask) -> None:
    batches = [task.batch(np.arange(4), 0, worker, step)[0] for worker, step in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])
    assert not torch.equal(batches[0], batches[3])


@pytest.mark.parametrize(("net", "d"), [("resnet18", 11_689_512), ("resnet50", 25_557_032)])
def test_networks_are_those_of_torchvision(net: str, d: int, task: FolderTask) -> None:
    from torchvision import models

    assert sum(p.numel() for p in getattr(models, net)().parameters()) == d
    made = FolderTask(task.train, task.test, net, 32, "cpu").model()  # type: ignore[arg-type]
    assert made.fc.out_features == 2


def test_a_network_learns_and_is_scored(task: FolderTask) -> None:
    torch.manual_seed(0)
    model = task.model()
    before = task.training_loss(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for step in range(4):
        x, y = task.batch(np.arange(12), 0, 0, step)
        optimizer.zero_grad()
        task.loss(model(x), y).backward()
        optimizer.step()
    scores = task.evaluate(model)
    assert 0 <= scores["test_accuracy"] <= 1
    assert np.isfinite([before, scores["test_loss"]]).all()
    assert model.training


def test_checksum_knows_names_and_sizes(data: Path) -> None:
    assert ImageNet().checksum(data) == ImageNet("resnet50").checksum(data / "imagenet")


def test_bad_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="imagenet/train and imagenet/val"):
        ImageNet().load(tmp_path)
    (tmp_path / "imagenet/train/a").mkdir(parents=True)
    (tmp_path / "imagenet/val/b").mkdir(parents=True)
    with pytest.raises(DataError, match="cannot be read"):
        ImageNet().load(tmp_path)
    for part, name in (("train", "a"), ("val", "b")):
        (tmp_path / "imagenet" / part / name / "1.JPEG").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"both need the same folders: \['a', 'b'\]"):
        ImageNet().load(tmp_path)
    (tmp_path / "imagenet/val/a").mkdir()
    (tmp_path / "imagenet/val/b").rename(tmp_path / "imagenet/val/c")
    (tmp_path / "imagenet/val/c/1.JPEG").rename(tmp_path / "imagenet/val/a/1.JPEG")
    (tmp_path / "imagenet/val/c").rmdir()
    with pytest.raises(DataError, match=r"1.JPEG cannot be read"):
        ImageNet(pixels=32).load(tmp_path).batch(np.array([0]), 0, 0, 0)
    with pytest.raises(ValueError, match="net is 'vgg'"):
        ImageNet("vgg")  # type: ignore[arg-type]
