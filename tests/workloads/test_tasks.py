"""What every workload promises, on the embedded problems and on small files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from reproductions.workloads import Atis, Cifar10, Digits, SlotGrammar, Task, Workload
from reproductions.workloads.resnet import ResNet
from reproductions.workloads.vgg import Vgg

EMBEDDED = [
    Digits("small"),
    Digits("deep"),
    Digits("plain"),
    Digits("linear"),
    Digits("mlp"),
    SlotGrammar(train_size=256),
]
FROM_FILES = [Cifar10(ResNet(8, 8)), Cifar10(Vgg(11, 4)), Atis(hidden=8, embedding=4)]


def name_of(value: object) -> str | None:
    return f"{value.name}-{getattr(value, 'net', '')}".rstrip("-") if hasattr(value, "name") else None


@pytest.fixture(params=[*EMBEDDED, *FROM_FILES], ids=name_of)
def workload(request: pytest.FixtureRequest) -> Workload:
    return request.param


@pytest.fixture
def task(workload: Workload, parquet_data: Path, atis_data: Path) -> Task:
    return workload.load(atis_data)


def test_a_workload_is_a_value(workload: Workload) -> None:
    assert pickle.loads(pickle.dumps(workload)) == workload
    assert hash(pickle.loads(pickle.dumps(workload))) == hash(workload)
    with pytest.raises(AttributeError):
        workload.name = ""  # type: ignore[attr-defined]


def test_a_batch_depends_on_its_key_alone(task: Task) -> None:
    indices = np.array([1, 0])
    first = task.batch(indices, 5, 1, 7)
    task.batch(indices, 5, 0, 8)
    again = task.batch(indices, 5, 1, 7)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len(first[0]) == len(first[1]) == 2
    assert first[1].dtype == torch.int64


def test_the_model_comes_from_torchs_generator(task: Task) -> None:
    vectors = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        vectors.append(torch.nn.utils.parameters_to_vector(task.model().parameters()))
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])


def test_evaluation_changes_nothing(task: Task) -> None:
    model = task.model()
    first = next(iter(model.children()))
    first.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    values = task.evaluate(model)
    assert {"test_loss", "test_accuracy"} <= set(values)
    assert 0 <= values["test_accuracy"] <= 1
    assert model.training
    assert not first.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)
    assert task.evaluate(model) == values


def test_parts_of_the_training_set_add_up_to_it(task: Task) -> None:
    model, n = task.model(), 2
    sizes = [len(range(task.train_size)[part::n]) for part in range(n)]
    losses = [task.training_loss(model, slice(part, None, n)) for part in range(n)]
    if task.label.startswith("digits"):  # of sentences, words are counted
        assert np.average(losses, weights=sizes) == pytest.approx(task.training_loss(model))
    assert min(losses) <= task.training_loss(model) <= max(losses)


def test_sentences_have_no_classes() -> None:
    with pytest.raises(ValueError, match="has sentences, which have no classes to sort them by"):
        SlotGrammar().load(None).sorted_by_class()


@pytest.mark.parametrize(
    ("workload", "rate", "steps"),
    [
        (Digits("small"), 0.3, 60),
        (Digits("deep"), 0.1, 40),
        (Digits("linear"), 0.5, 60),
        (Digits("mlp"), 0.5, 60),
        (SlotGrammar(), 3.0, 100),
    ],
    ids=name_of,
)
def test_the_loss_falls(train: Callable, workload: Workload, rate: float, steps: int) -> None:
    task = workload.load(None)
    start = task.evaluate(task.model())
    model, losses = train(task, 32, rate, steps)
    end = task.evaluate(model)
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    assert end["test_loss"] < 0.7 * start["test_loss"]
    assert end["test_accuracy"] > 0.6


@pytest.mark.parametrize("workload", FROM_FILES, ids=name_of)
def test_small_files_can_be_learnt(train: Callable, workload: Workload, parquet_data: Path, atis_data: Path) -> None:
    task = workload.load(atis_data)
    _, losses = train(task, task.train_size, 1.0, 40)
    assert np.mean(losses[-5:]) < 0.8 * losses[0]


def test_the_grammar_can_be_learnt_to_nearly_zero_loss(train: Callable) -> None:
    task = SlotGrammar().load(None)
    model, losses = train(task, 8, 3.0, 600)
    assert np.mean(losses[-50:]) < 0.02
    assert task.evaluate(model)["test_f1"] > 0.98


def test_checksums_are_stable_and_follow_the_data(workload: Workload, parquet_data: Path, atis_data: Path) -> None:
    before = workload.checksum(atis_data)
    assert workload.checksum(atis_data) == before
    for path in [*atis_data.rglob("*.parquet"), *atis_data.rglob("seq.out")]:
        path.write_bytes(path.read_bytes() + b"\n")
    assert (workload.checksum(atis_data) != before) == (workload in FROM_FILES)


def test_checksums_of_generated_sentences_differ_with_their_number() -> None:
    assert SlotGrammar(train_size=8).checksum(None) != SlotGrammar(train_size=9).checksum(None)


def test_labels_and_sizes(parquet_data: Path, atis_data: Path) -> None:
    loaded = [workload.load(atis_data) for workload in (Digits(), SlotGrammar(train_size=9), *FROM_FILES)]
    assert [task.label for task in loaded] == ["digits", "slot-grammar", "cifar10", "cifar10", "atis"]
    assert [task.train_size for task in loaded] == [1437, 9, 10, 10, 2]


def test_digits_are_split_and_centred() -> None:
    task = Digits().load(None)
    x, y = task.batch(np.arange(task.train_size), 0, 0, 0)
    assert x.shape == (1437, 1, 8, 8)
    assert x.dtype == torch.float32
    assert len(task.test.labels) == 360
    assert x.mean(dim=0).abs().max() < 1e-5
    assert x.abs().max() <= 1
    assert set(y.tolist()) == set(range(10))
    assert len(np.unique(np.concatenate([task.train.pixels, task.test.pixels]), axis=0)) == 1797


def test_an_unknown_net_is_named() -> None:
    with pytest.raises(ValueError, match="net is 'big', but digits has small, deep, plain, linear, mlp"):
        Digits("big")  # type: ignore[arg-type]


def test_a_grammar_without_sentences_is_refused() -> None:
    with pytest.raises(ValueError, match="train_size is 0, but there must be at least one sentence"):
        SlotGrammar(train_size=0)


def test_evaluation_of_images_is_the_plain_average() -> None:
    task = Digits("linear").load(None)
    model = task.model()
    pixels = torch.from_numpy((task.test.pixels - task.mean) / 16).permute(0, 3, 1, 2)
    target = torch.from_numpy(task.test.labels)
    expected = torch.nn.functional.cross_entropy(model(pixels), target)
    values = task.evaluate(model)
    assert values["test_loss"] == pytest.approx(expected.item(), rel=1e-5)
    assert values["test_accuracy"] == pytest.approx(float((model(pixels).argmax(1) == target).float().mean()))
