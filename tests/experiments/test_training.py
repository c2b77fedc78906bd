from dataclasses import replace

import numpy as np
import pytest
import torch

from algorithms.coopsgd.cooperative import CooperativeSGD
from algorithms.network import IndependentDrops, Link, Lossless, Trace, Traffic
from algorithms.replicas import Replicas
from algorithms.rps.averaging import ModelAveraging
from algorithms.schedule import StepDecay
from algorithms.topology import value
from reproductions.experiments.training import Training, _Workers
from reproductions.harness.runs.context import Context
from reproductions.harness.runs.key import describe, key
from reproductions.workloads.digits import Digits

RUN = Training(
    ModelAveraging(), Digits("small"), StepDecay(0.5), nodes=4, batch=32, epochs=2, seed=0, evaluate_all=True
)


def final(run: Training) -> dict[str, float]:
    context = Context()
    run.execute(context)
    return {metric: value for step, metric, value in context.rows if step == run.epochs}


def test_training_logs_what_its_docstring_promises() -> None:
    metrics = final(RUN)
    expected = {"train_loss", "consensus", "lr", "compute_seconds", "communication_seconds", "sent_bytes", "digest"}
    expected |= {f"{who}test_{what}" for who in ("", "mean_", "workers_") for what in ("loss", "accuracy")}
    assert expected <= metrics.keys()
    assert metrics["lr"] == 0.5
    assert metrics["consensus"] < 1e-10
    assert metrics["mean_test_accuracy"] > 0.5


def test_seed_decides_a_run_and_drops_change_it() -> None:
    assert final(RUN)["digest"] == final(RUN)["digest"]
    assert final(RUN)["digest"] != final(replace(RUN, seed=1))["digest"]
    assert final(RUN)["digest"] != final(replace(RUN, network=IndependentDrops(0.1)))["digest"]


def test_losses_of_the_own_models_are_those_of_the_average_if_all_agree_and_higher_if_not() -> None:
    together = final(replace(RUN, evaluate_train=True, evaluate_workers=True))
    assert together["workers_train_loss"] == pytest.approx(together["mean_train_loss"], rel=1e-3)  # own statistics
    linear = replace(RUN, workload=Digits("linear"), evaluate_train=True, evaluate_workers=True)
    assert final(linear)["workers_train_loss"] == pytest.approx(
        final(linear)["mean_train_loss"], rel=1e-3
    )  # 359 or 360 samples
    apart = final(replace(linear, algorithm=CooperativeSGD(10**6, value(np.full((4, 4), 0.25)))))
    assert apart["workers_train_loss"] > apart["mean_train_loss"]  # F is convex


def test_sorted_shards_hold_few_classes_each() -> None:
    run = replace(RUN, workload=Digits("linear"), sampling="sorted")
    labels = run.workload.load(None).train.labels  # type: ignore[attr-defined]
    context = Context()
    pieces = [_Workers(run, run.workload.load(None), context).shards[worker] for worker in range(4)]
    assert sorted(np.concatenate(pieces)) == list(range(len(labels)))
    assert max(len(set(labels[piece])) for piece in pieces) <= 4


def test_key_depends_on_every_field_and_not_on_ranks() -> None:
    keys = {key(run, None, "cpu") for run in (RUN, replace(RUN, seed=1), replace(RUN, workload=Digits("mlp")))}
    assert len(keys) == 3
    assert key(RUN, None, "cpu") == key(replace(RUN), None, "cpu")
    assert key(RUN, None, "cuda") not in keys


def test_only_values_can_be_described() -> None:
    assert describe(Lossless()) == {"type": "algorithms.network.Lossless"}
    with pytest.raises(TypeError, match="an experiment cannot hold"):
        describe(object())


# ------------------------------------------------------------------------------------------------------- replicas


def build() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3)
    )


def test_replicas_hold_parameters_gradients_and_buffers_of_every_copy() -> None:
    replicas = Replicas(build, 3, seed=0)
    model = build()
    assert replicas.parameters.shape == (3, sum(p.numel() for p in model.parameters()))
    assert replicas.buffers.shape == (3, 4)
    assert replicas.counters.shape == (3, 1)
    assert torch.equal(replicas.parameters[0], replicas.parameters[2])
    batches = [(torch.randn(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1])) for _ in range(3)]
    loss = torch.nn.functional.cross_entropy
    losses = replicas.backward(batches, loss)
    for i, (x, y) in enumerate(batches):
        single = build()
        single.load_state_dict(Replicas(build, 1, seed=0).models[0].state_dict())
        value = loss(single(x), y)
        value.backward()
        assert torch.equal(losses[i], value.detach())
        assert torch.equal(replicas.gradients[i], torch.cat([p.grad.reshape(-1) for p in single.parameters()]))
        assert torch.equal(replicas.buffers[i], torch.cat([single[1].running_mean, single[1].running_var]))
    assert replicas.counters.flatten().tolist() == [1, 1, 1]


def test_models_follow_their_rows_and_gradients_start_from_zero() -> None:
    replicas = Replicas(build, 2, seed=0)
    replicas.parameters[1].zero_()
    assert all(not p.any() for p in replicas.models[1].parameters())
    batch = (torch.randn(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1]))
    for _ in range(2):
        replicas.backward([batch, batch], torch.nn.functional.cross_entropy)
        once = replicas.gradients.clone()
        replicas.buffers.zero_()
    replicas.backward([batch, batch], torch.nn.functional.cross_entropy)
    assert torch.equal(replicas.gradients, once)


# -------------------------------------------------------------------------------------------------------- network


def test_drops_have_the_stated_frequency_and_are_coupled_in_p() -> None:
    networks = {p: IndependentDrops(p, seed=1) for p in (0.1, 0.3)}
    outcomes = {
        p: torch.tensor([net.delivered(t, "push", 16).tolist() for t in range(200)]) for p, net in networks.items()
    }
    for p, arrived in outcomes.items():
        off_diagonal = arrived[:, ~torch.eye(16, dtype=torch.bool)]
        deviation = (p * (1 - p) / off_diagonal.numel()) ** 0.5
        assert abs(1 - off_diagonal.double().mean().item() - p) < 4 * deviation
        assert arrived.diagonal(dim1=1, dim2=2).all()
    assert (outcomes[0.1] | ~outcomes[0.3]).all(), "a higher drop rate delivered a message that a lower one lost"


def test_drops_differ_by_step_phase_and_seed() -> None:
    net = IndependentDrops(0.5, seed=1)
    reference = net.delivered(0, "push", 16)
    for other in (
        net.delivered(1, "push", 16),
        net.delivered(0, "pull", 16),
        replace(net, seed=2).delivered(0, "push", 16),
    ):
        assert (reference != other).mean() > 0.3


def test_trace_repeats_and_reads_tables() -> None:
    import pandas as pd

    table = pd.DataFrame({"step": [1], "phase": ["push"], "source": [0], "destination": [2]})
    trace = Trace.from_table(table, steps=3)
    assert trace.delivered(0, "push", 3).all()
    assert not trace.delivered(4, "push", 3)[0, 2]
    assert trace.delivered(4, "pull", 3).all()
    with pytest.raises(ValueError, match="needs the columns"):
        Trace.from_table(table.drop(columns="phase"), steps=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IndependentDrops(1.5), "drop probability p is 1.5"),
        (lambda: Trace((), steps=0), "at least one step"),
        (lambda: Trace(((7, "push", 0, 1),), steps=3), "lies outside of a trace of 3 steps"),
        (lambda: Link(bandwidth=0), "bandwidth > 0"),
    ],
)
def test_bad_networks_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_link_turns_the_ledger_of_the_busiest_worker_into_seconds() -> None:
    import numpy as np

    traffic = Traffic(3)
    nbytes = np.array([[0, 100, 50], [0, 0, 0], [0, 0, 0]])
    traffic.record(nbytes, np.ones((3, 3), dtype=bool))
    traffic.record(nbytes.T, np.ones((3, 3), dtype=bool))
    link = Link(bandwidth=8e3, latency=0.5)
    # in both phases worker 0 is busiest: 150 bytes and 2 messages, sent in one and received in the other
    assert link.seconds(traffic.busiest_messages, traffic.busiest_bytes) == pytest.approx(2 * (2 * 0.5 + 150 / 1e3))


def test_schedule_warms_up_and_decays() -> None:
    schedule = StepDecay(peak=4.0, warmup=5, start=1.0, milestones=(80, 120))
    assert [schedule.lr(e) for e in (0, 2.5, 5, 79.9, 80, 120)] == pytest.approx([1, 2.5, 4, 4, 0.4, 0.04])
