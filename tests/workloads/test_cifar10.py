"""CIFAR-10: both formats, their errors, the augmentation and the networks."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from algorithms.streams import stream
from reproductions.workloads import Cifar10, DataError, cifar_files
from reproductions.workloads.cifar10 import CropAndFlip
from reproductions.workloads.resnet import CNTK_BN_MOMENTUM, ResNet
from reproductions.workloads.vgg import Vgg

PLAIN = Cifar10(ResNet(8, 8), augment=False)


def count(depth: int, width: int = 16) -> int:
    return sum(parameter.numel() for parameter in ResNet(depth, width).build().parameters())


def test_resnet_20_has_the_published_number_of_parameters() -> None:
    assert count(20) == 272_474


def test_resnet_110_has_109_convolutions_of_3x3_and_a_linear_layer() -> None:
    kernels = [m.kernel_size for m in ResNet(110).build().modules() if isinstance(m, torch.nn.Conv2d)]
    assert kernels.count((3, 3)) == 109
    assert kernels.count((1, 1)) == 2
    assert count(110) == 1_730_714


def test_batch_norm_forgets_as_slowly_as_in_cntk() -> None:
    norms = [m for m in ResNet(20).build().modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {CNTK_BN_MOMENTUM}
    assert pytest.approx(0.0077821, rel=1e-5) == CNTK_BN_MOMENTUM


def test_convolutions_start_he_normal() -> None:
    torch.manual_seed(0)
    conv = max(
        (m for m in ResNet(20).build().modules() if isinstance(m, torch.nn.Conv2d)), key=lambda m: m.weight.numel()
    )
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("depth", [2, 18, 21, -4])
def test_an_impossible_depth_is_named(depth: int) -> None:
    with pytest.raises(ValueError, match=f"depth is {depth}, but a CIFAR ResNet has 6n"):
        ResNet(depth)


def test_parquet_parts_are_read_in_order(parquet_data: Path, pixels: np.ndarray) -> None:
    task = PLAIN.load(parquet_data)
    assert task.label == "cifar10"
    np.testing.assert_array_equal(task.train.pixels, pixels[:10])
    np.testing.assert_array_equal(task.test.pixels, pixels[10:])
    assert task.train.labels.tolist() == [0, 1, 2, 3, 4] * 2


def test_the_official_files_give_the_same_pixels(official_data: Path, pixels: np.ndarray) -> None:
    task = PLAIN.load(official_data)
    assert task.label == "cifar10"
    np.testing.assert_array_equal(task.train.pixels, pixels[:10])
    np.testing.assert_array_equal(task.test.pixels, pixels[10:])
    assert task.train.labels.tolist() == [0, 1] * 5
    assert len(PLAIN.checksum(official_data)) == 64


@pytest.mark.parametrize("quality", [30, 75, 90, 100])
def test_jpeg_images_are_labelled_with_their_quality(
    write_parquet: Callable, tmp_path: Path, pixels: np.ndarray, quality: int
) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}-0.parquet", pixels, "JPEG", column="image", quality=quality)
    task = PLAIN.load(tmp_path)
    assert task.label == f"cifar10-jpeg{quality}"
    assert np.abs(task.train.pixels.astype(int) - pixels).max() < 60


def test_batches_are_centred_float32_channels_last(parquet_data: Path, pixels: np.ndarray) -> None:
    x, y = PLAIN.load(parquet_data).batch(np.arange(10), 0, 0, 0)
    expected = (pixels[:10] - pixels[:10].mean(axis=0)) / 256
    assert x.shape == (10, 3, 32, 32)
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(x.permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)
    assert y.tolist() == [0, 1, 2, 3, 4] * 2


def test_augmented_images_are_windows_of_the_padded_image_or_their_mirror(pixels: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(256, size=(200, 32, 32, 3)).astype(np.uint8)
    seen = []
    augmentation = CropAndFlip()
    draws = augmentation.draw(stream(0, "augment"), len(noise))
    augmented = augmentation.apply(torch.from_numpy(noise), torch.from_numpy(draws)).numpy()
    for image, result, (top, left, mirrored) in zip(noise, augmented, draws.T, strict=True):
        padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), constant_values=128)
        windows = {
            (t, m, s): padded[t : t + 32, m : m + 32][:, ::s] for t in range(9) for m in range(9) for s in (1, -1)
        }
        matches = [key for key, window in windows.items() if np.array_equal(window, result)]
        assert matches == [(top, left, -1 if mirrored else 1)]
        seen += matches
    tops, lefts, side = zip(*seen, strict=True)
    assert set(tops) == set(lefts) == set(range(9))
    assert 70 < side.count(-1) < 130


def test_augmentation_is_keyed_by_worker_and_step(parquet_data: Path) -> None:
    task = Cifar10(ResNet(8)).load(parquet_data)
    keys = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    batches = [task.batch(np.arange(10), *key)[0] for key in keys]
    assert all(not torch.equal(batches[0], other) for other in batches[1:])
    assert torch.equal(batches[0], task.batch(np.arange(10), *keys[0])[0])


def test_batches_of_several_workers_are_those_of_each(parquet_data: Path) -> None:
    task = Cifar10(ResNet(8)).load(parquet_data)
    indices = {3: np.array([5, 1]), 0: np.array([7, 2, 0])}
    together = task.batches(indices, seed=4, step=9)
    for (worker, own), batch in zip(indices.items(), together, strict=True):
        alone = task.batch(own, 4, worker, 9)
        assert all(torch.equal(a, b) and a.stride() == b.stride() for a, b in zip(alone, batch, strict=True))
    assert task.batches({}, seed=4, step=9) == []


def test_subsets_are_nested_and_their_own_mean_is_subtracted(parquet_data: Path) -> None:
    small, large = (Cifar10(ResNet(8), train_size=size, test_size=1).load(parquet_data) for size in (3, 6))
    assert (small.train_size, large.train_size, len(small.test.labels)) == (3, 6, 1)
    np.testing.assert_array_equal(small.train.pixels, large.train.pixels[:3])
    np.testing.assert_allclose(small.mean, small.train.pixels.mean(axis=0), rtol=1e-6)


def test_a_subset_larger_than_the_data_is_refused(parquet_data: Path) -> None:
    with pytest.raises(DataError, match="test_size is 3, but the CIFAR-10 files hold 2 test images"):
        Cifar10(ResNet(8), test_size=3).load(parquet_data)


@pytest.mark.parametrize("use", ["load", "checksum"])
def test_missing_data_are_named_with_the_option(tmp_path: Path, use: str) -> None:
    for data, where in ((None, "no data folder was given"), (tmp_path, f"in {tmp_path}")):
        with pytest.raises(DataError, match=r"--data or REPRO_DATA") as caught:
            getattr(PLAIN, use)(data)
        assert where in str(caught.value)
        assert "train-*.parquet" in str(caught.value)
        assert "cifar-10-batches-py" in str(caught.value)


def test_a_training_set_without_a_test_set_is_missing_data(parquet_data: Path) -> None:
    next(parquet_data.rglob("test-*.parquet")).unlink()
    with pytest.raises(DataError, match="CIFAR-10 was not found"):
        PLAIN.load(parquet_data)


def test_a_damaged_parquet_file_is_named(parquet_data: Path) -> None:
    path = next(parquet_data.rglob("test-*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=path.name):
        PLAIN.load(parquet_data)


def test_a_parquet_file_with_other_columns_is_named(
    write_parquet: Callable, parquet_data: Path, pixels: np.ndarray
) -> None:
    path = next(parquet_data.rglob("test-*.parquet"))
    write_parquet(path, pixels, column="picture")
    with pytest.raises(DataError, match=rf"{path.name} is damaged or not CIFAR-10, which has columns img"):
        PLAIN.load(parquet_data)


@pytest.mark.parametrize("broken", [b"", b"no image", None])
def test_a_damaged_image_is_named(write_parquet: Callable, parquet_data: Path, broken: bytes | None) -> None:
    import pyarrow
    from pyarrow import parquet

    for split in ("train-00000-of-00002", "test-00000-of-00001"):
        path = parquet_data / "cifar10" / f"{split}.parquet"
        good = parquet.read_table(path).to_pylist()
        good[-1]["img"]["bytes"] = broken
        parquet.write_table(pyarrow.Table.from_pylist(good), path)
        with pytest.raises(DataError, match=f"{path.name} is damaged: an image in it cannot be decoded"):
            PLAIN.load(parquet_data)
        write_parquet(path, np.zeros((2, 32, 32, 3), np.uint8))


def test_images_of_another_size_are_refused(write_parquet: Callable, parquet_data: Path) -> None:
    path = next(parquet_data.rglob("test-*.parquet"))
    write_parquet(path, np.zeros((2, 28, 28, 3), np.uint8))
    with pytest.raises(DataError, match=rf"{path.name} is not CIFAR-10: it holds an image of shape \(28, 28, 3\)"):
        PLAIN.load(parquet_data)


def test_an_empty_parquet_file_is_named(parquet_data: Path) -> None:
    from pyarrow import parquet

    path = next(parquet_data.rglob("test-*.parquet"))
    parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    with pytest.raises(DataError, match=f"{path.name} holds no images"):
        PLAIN.load(parquet_data)


def test_a_damaged_official_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(b"not a pickle")
    with pytest.raises(DataError, match=r"data_batch_1 is missing or damaged"):
        PLAIN.load(tmp_path)
    with pytest.raises(DataError, match=r"cannot be read: .*data_batch_2"):
        PLAIN.checksum(tmp_path)


class Hostile:
    """What makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_an_official_file_runs_no_code(official_data: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (official_data / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps({"data": Hostile(mark)}))
    with pytest.raises(DataError, match=r"data_batch_1 is missing or damaged: .*it asks for "):
        PLAIN.load(official_data)
    assert not mark.exists()


def test_an_official_file_is_read_once(official_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, names = Path.read_bytes, list[str]()
    monkeypatch.setattr(Path, "read_bytes", lambda path: names.append(path.name) or read(path))
    cifar_files.read(cifar_files.locate(official_data), None, None)
    assert sorted(names) == [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]


@pytest.mark.parametrize("labels", [[None, 1], [0, 10], [0, -1], ["0", "1"]])
def test_a_label_that_is_none_is_named(
    tmp_path: Path, pixels: np.ndarray, write_parquet: Callable[..., None], labels: list[object]
) -> None:
    from pyarrow import array, parquet

    for split in ("train", "test"):
        path = tmp_path / "cifar10" / f"{split}-00000-of-00001.parquet"
        write_parquet(path, pixels[:2])
        table = parquet.read_table(path)
        parquet.write_table(table.set_column(1, "label", array(labels)), path)
    with pytest.raises(DataError, match=r"train.* its labels are not whole numbers from 0 to 9"):
        PLAIN.load(tmp_path)


def test_real_data_are_what_their_readme_says(train: Callable, real_data: Path) -> None:
    workload = Cifar10(ResNet(8, 8, bn_momentum=0.1), train_size=400, test_size=200)
    task = workload.load(real_data)
    assert task.label == "cifar10"
    assert set(task.train.labels) == set(range(10))
    model, losses = train(task, 40, 0.1, 60)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1
    assert task.evaluate(model)["test_accuracy"] > 0.15


@pytest.mark.parametrize(("layers", "convolutions"), [(11, 8), (16, 13)])
def test_vgg_has_its_convolutions_and_one_linear_layer(layers: int, convolutions: int) -> None:
    net = Vgg(layers, width=4).build()
    kinds = [type(module) for module in net.modules()]
    assert kinds.count(torch.nn.Conv2d) == kinds.count(torch.nn.BatchNorm2d) == convolutions
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_vgg16_has_the_size_of_its_published_cifar_variant() -> None:
    assert sum(p.numel() for p in Vgg(16, batch_norm=False).build().parameters()) == 14_719_818


def test_vgg_of_unknown_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="layers is 12, but VGG has 11, 13, 16, 19"):
        Vgg(12)
