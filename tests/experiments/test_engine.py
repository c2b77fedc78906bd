"""How gradients are computed: precision, engine, time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from algorithms.graphs import Graph
from algorithms.network import IndependentDrops
from algorithms.replicas import loop
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import StepDecay
from reproductions.experiments import training
from reproductions.experiments.engine import engine, moment, prepared, seconds
from reproductions.experiments.training import Training
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.key import key
from reproductions.harness.runs.provenance import hardware
from reproductions.workloads.digits import Digits
from reproductions.workloads.grammar import SlotGrammar
from reproductions.workloads.resnet import ResNet
from tests.benchmarks.made_images import kernels, measure
from tests.benchmarks.made_images import training as made

RUN = Training(
    ModelAveraging(), Digits("small"), StepDecay(0.2), nodes=4, batch=32, epochs=4, seed=3,
    network=IndependentDrops(0.2, seed=3),
)  # fmt: skip


def final(context: Context) -> dict[str, float]:
    RUN.execute(context)
    return {metric: value for step, metric, value in context.rows if step == RUN.epochs}


class Interrupted(Exception):
    pass


def interrupt(done: float) -> None:
    if done > 0.6:
        raise Interrupted


def test_training_by_a_graph_is_training_by_the_loop_and_goes_on_after_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, graphs = final(Context()), []

    def graph(task: object, context: Context) -> Graph:
        graphs.append(Graph())
        return graphs[-1]

    monkeypatch.setattr(training, "engine", graph)
    assert final(Context())["digest"] == reference["digest"]
    with pytest.raises(Interrupted):
        RUN.execute(Context(checkpoints=tmp_path, checkpoint_every=0, on_progress=interrupt))
    assert final(Context(checkpoints=tmp_path))["digest"] == reference["digest"]
    assert len(graphs) == 3


def test_a_lower_precision_is_another_result_under_another_key_and_is_named() -> None:
    exact, rough = Context(), Context(precision="bfloat16")
    results = [final(context) for context in (exact, rough)]
    assert results[0]["digest"] != results[1]["digest"]
    assert results[0]["test_accuracy"] == pytest.approx(results[1]["test_accuracy"], abs=0.1)
    assert key(RUN, None, "cuda") != key(RUN, None, "cuda", "bfloat16")
    assert [hardware({"gpu": "H100"} | context.notes) for context in (exact, rough)] == ["H100", "H100, bfloat16"]


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_float32_is_exact_unless_the_session_says_otherwise_and_what_was_set_comes_back(precision: str) -> None:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, torch.is_autocast_enabled("cpu")
    with prepared(Digits().load(), Context(precision=precision)):
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
        assert torch.is_autocast_enabled("cpu") == (precision == "bfloat16")
    after = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, torch.is_autocast_enabled("cpu")
    assert before == after


def test_a_gpu_replays_a_graph_if_batches_are_even_and_the_engine_is_named() -> None:
    contexts = [Context(), Context(device="cuda:0", streams=3), Context(device="cuda:0")]
    images, words = Digits().load(), SlotGrammar(train_size=64).load(None)
    assert engine(images, contexts[0]) is loop
    assert isinstance(graph := engine(images, contexts[1]), Graph)
    assert graph.streams == 3
    assert engine(words, contexts[2]) is loop
    assert [context.notes["engine"] for context in contexts] == ["loop", "CUDA graph on 3 streams", "loop"]


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda:0", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
)
def test_times_are_those_of_the_device(device: str) -> None:
    context, x = Context(device=device), torch.randn(500, 500, device=device)
    start, wall = moment(context), time.perf_counter()
    for _ in range(20):
        x = x @ x / 500
    spent = seconds(start, moment(context))
    assert 0 < spent < time.perf_counter() - wall + 1e-3


def test_what_the_benchmarks_measure_on_a_gpu_is_there_on_a_cpu() -> None:
    run = made(ResNet(8, 8), workers=2, batch=4, rounds=2)
    rate = measure(run, Context())
    assert rate.samples > 0
    assert 0 < rate.mixing < 1
    count, spent = kernels(run, Context())
    assert count > 1000
    assert spent == 0.0  # of a device
