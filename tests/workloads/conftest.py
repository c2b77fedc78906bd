"""Small copies of the real data's formats, and the real data where REPRO_DATA names them."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from reproductions.workloads import Task, minibatch, shard


def _train(task: Task, batch: int, rate: float, steps: int) -> tuple[torch.nn.Module, list[float]]:
    """Plain SGD on one worker; returns the model and the loss of each step."""
    torch.manual_seed(0)
    model = task.model()
    optimizer = torch.optim.SGD(model.parameters(), rate)
    mine = shard(task.train_size, 1, 0, seed=0)
    losses = []
    for step in range(steps):
        x, y = task.batch(minibatch(mine, batch, 0, 0, step), 0, 0, step)
        loss = task.loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


@pytest.fixture
def train() -> Callable[..., tuple[torch.nn.Module, list[float]]]:
    return _train


@pytest.fixture
def real_data() -> Path:
    if "REPRO_DATA" not in os.environ:
        pytest.skip("needs real data: set REPRO_DATA to the folder that holds cifar10/ and atis/")
    return Path(os.environ["REPRO_DATA"])


@pytest.fixture
def pixels() -> np.ndarray:
    """Twelve smooth images, which JPEG changes little: (12, 32, 32, 3) uint8."""
    level = np.add.outer(np.arange(32), np.arange(32))[None, :, :, None]
    return (level * 2 + 10 * np.arange(12)[:, None, None, None] + np.array([0, 5, 10])).astype(np.uint8)


def _write_parquet(path: Path, pixels: np.ndarray, form: str = "PNG", column: str = "img", **options: int) -> None:
    import pyarrow
    from PIL import Image
    from pyarrow import parquet

    images = []
    for number, image in enumerate(pixels):
        file = io.BytesIO()
        Image.fromarray(image).save(file, form, **options)
        images.append({"bytes": file.getvalue(), "path": f"{number}"})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({column: images, "label": [n % 10 for n in range(len(pixels))]}), path)


@pytest.fixture
def write_parquet() -> Callable[..., None]:
    return _write_parquet


@pytest.fixture
def parquet_data(tmp_path: Path, pixels: np.ndarray) -> Path:
    _write_parquet(tmp_path / "cifar10" / "train-00000-of-00002.parquet", pixels[:5])
    _write_parquet(tmp_path / "cifar10" / "train-00001-of-00002.parquet", pixels[5:10])
    _write_parquet(tmp_path / "cifar10" / "test-00000-of-00001.parquet", pixels[10:])
    return tmp_path


@pytest.fixture
def official_data(tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batches = {f"data_batch_{k + 1}": pixels[2 * k : 2 * k + 2] for k in range(5)} | {"test_batch": pixels[10:]}
    for name, images in batches.items():
        rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": list(range(len(images)))}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("0123456789")}))
    # the tiny files cannot have the digests of the real ones
    monkeypatch.setattr(CIFAR10, "train_list", [[name, None] for name in list(batches)[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": None})
    return tmp_path


ATIS = {
    "train/seq.in": "fly from boston to new york\nflights to denver\n",
    "train/seq.out": "O O B-from O B-to I-to\nO O B-to\n",
    "test/seq.in": "fly to boston\nto oakland airport\n",
    "test/seq.out": "O O B-to\nO B-to B-airport\n",
}


@pytest.fixture
def atis_data(tmp_path: Path) -> Path:
    for name, text in ATIS.items():
        (tmp_path / "atis" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "atis" / name).write_text(text)
    return tmp_path
