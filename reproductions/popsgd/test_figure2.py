"""Figures 2 and 4 of ImageNet: what needs the data and 32 nodes, and the arithmetic that does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from reproductions.paper import (
    Decider,
    Decision,
    FigureFolder,
    Run,
    Runs,
    Settings,
    all_of,
    decides,
    draw,
    exactly,
    less,
    name_of,
    panels,
    reached,
)
from reproductions.popsgd.partitions import Partitions, updates_per_model
from reproductions.popsgd.recipes import IMAGENET_NODES, MULT, SYMMETRIC, imagenet
from reproductions.popsgd.training import NodeTraining
from reproductions.workloads.imagenet import Net

SIZE, EPOCHS = 128 * 64 * 2, 64  # a small data set that n = 32 and batches of 2 divide
TORCHVISION = {"resnet18": 69.758, "resnet50": 76.13}  # top-1 test accuracy of its documentation, %
PRINTED = {"resnet18": (0.34, "0.34 points above it"), "resnet50": (-0.5, "less than 0.5 points below it")}
SEQUENTIAL = "resnet18, sequential"
PRESERVED = 1.0  # points of training accuracy
NEEDED = "needs ImageNet (--data with imagenet/train and imagenet/val), a GPU and --scale paper"


def experiments(settings: Settings) -> dict[str, list[NodeTraining]]:
    """Return both networks, and sequential SGD of the smaller one, at the paper's scale, nothing elsewhere."""
    if settings.scale != "paper":
        return {}
    nets: tuple[Net, ...] = ("resnet18", "resnet50")
    seeds = range(settings.seeds)
    grid = {net: [imagenet(net).training(SYMMETRIC, IMAGENET_NODES, seed) for seed in seeds] for net in nets}
    return grid | {SEQUENTIAL: [imagenet("resnet18").baseline(seed) for seed in seeds]}


@decides("popsgd-fig2-resnet18-acc", "popsgd-fig4-resnet50-acc")
def test_accuracy_on_imagenet(claim: Decider, settings: Settings, request: pytest.FixtureRequest) -> None:
    if settings.scale != "paper":
        claim.not_run(NEEDED)
    runs: Runs[NodeTraining] = request.getfixturevalue("runs")
    used = runs.only(str(claim.claim.at["net"]))
    claim.decide(decide_accuracy(claim, used.all), runs=used)


def decide_accuracy(claim: Decider, runs: Sequence[Run[NodeTraining]]) -> Decision:
    """Decide a printed test accuracy, in points above torchvision's; fewer than three seeds decide nothing."""
    baseline = TORCHVISION[str(claim.claim.at["net"])]
    return claim.within([accuracy - baseline for accuracy in _ends(runs, "test")])


@decides("popsgd-fig2-train")
def test_training_accuracy_is_preserved(claim: Decider, settings: Settings, request: pytest.FixtureRequest) -> None:
    if settings.scale != "paper":
        claim.not_run(NEEDED)
    runs: Runs[NodeTraining] = request.getfixturevalue("runs")
    used = runs.only("resnet18", SEQUENTIAL)
    ours, sequential = (_ends(used[name], "train") for name in ("resnet18", SEQUENTIAL))
    text = f"{np.mean(ours):.2f} %, sequential SGD {np.mean(sequential):.2f} %"
    claim.decide(decide_preserved(claim, used["resnet18"], used[SEQUENTIAL]), text, used)


def decide_preserved(
    claim: Decider, runs: Sequence[Run[NodeTraining]], sequential: Sequence[Run[NodeTraining]]
) -> Decision:
    """Decide that training accuracy ends less than a margin below that of sequential SGD.

    That is no baseline, and nothing is decided, unless each of its runs ends above torchvision's test accuracy.
    """
    ours, theirs = _ends(runs, "train"), _ends(sequential, "train")
    trained = {SEQUENTIAL: [0.0 if end > TORCHVISION["resnet18"] else np.inf for end in theirs]}
    return reached(trained, lambda: less(theirs, ours, margin=PRESERVED, alpha=claim.alpha), every=True)


def _ends(runs: Sequence[Run[NodeTraining]], part: str) -> list[float]:
    """Return the accuracy in per cent at the end of every run."""
    return [100 * float(run.series(f"{part}_accuracy").iloc[-1]) for run in runs]


def test_figure2(settings: Settings, request: pytest.FixtureRequest, figures: FigureFolder) -> None:
    draw_accuracies(settings, request.getfixturevalue("runs") if settings.scale == "paper" else None, figures)


def draw_accuracies(settings: Settings, runs: Runs[NodeTraining] | None, figures: FigureFolder) -> None:
    """Draw the accuracies of node 0 beside what is printed, a figure for each network; without runs, that alone."""
    import pandas as pd

    for net, name in (("resnet18", "figure2"), ("resnet50", "figure4-imagenet")):
        figure, (axis,) = panels(1, width=5)
        baseline, (points, words) = TORCHVISION[net], PRINTED[net]
        if runs:
            parts = [runs.only(net).curves(f"{part}_accuracy").assign(label=part) for part in ("train", "test")]
            frame, title = pd.concat(parts, ignore_index=True), name_of(settings, net, runs.only(net).all)
            frame["value"] *= 100
            draw(axis, frame)
        else:
            found = {"torchvision": baseline, "printed": baseline + points}
            frame, title = (
                pd.DataFrame({"source": list(found), "label": "", "test_accuracy": list(found.values())}),
                net,
            )
            axis.text(
                0.5,
                0.3,
                "never run here:\nneeds ImageNet, a GPU\nand --scale paper",
                ha="center",
                transform=axis.transAxes,
            )
            axis.set(ylim=(baseline - 4, baseline + 2), xticks=[])
        axis.axhline(baseline, color="red", ls=":", label=f"torchvision's test accuracy, {baseline:.2f} %")
        axis.axhline(baseline + points, color="black", ls="--", lw=1, label=f"printed: test accuracy {words}")
        axis.set(xlabel="SGD steps per model", ylabel="top-1 accuracy of node 0, %")
        axis.set_title(f"{title}, n = {IMAGENET_NODES}" + ("" if runs else ", ImageNet: no result"))
        axis.legend(fontsize=8)
        figures.save(name, figure, frame.drop(columns="label"))


@decides("popsgd-resnet50-29h", "popsgd-resnet50-48h", "popsgd-intro-one-eighth")
def test_hours_on_piz_daint(claim: Decider) -> None:
    claim.undecidable()


# ------------------------------------------------------------------------------------------------------- arithmetic


@decides("popsgd-fig2-sample-arithmetic")
def test_samples_and_updates(claim: Decider) -> None:
    samples, updates, parallel = counted_ratios(EPOCHS, IMAGENET_NODES, MULT)
    printed = all_of(exactly([samples], [4.0]), exactly([updates], [8.0]))
    corrected = exactly([samples, updates, parallel], [4.0, 128.0, 4.0])
    text = f"samples {samples:g} times fewer, updates per model {updates:g} times ({parallel:g} of data-parallel)"
    claim.decide_erratum(printed, corrected, text)


def counted_ratios(epochs: int, nodes: int, mult: int) -> tuple[float, float, float]:
    """Count, batch by batch, how many times fewer samples and updates per model PopSGD makes with compressed epochs.

    Returns
    -------
    tuple of float
        Samples that all nodes process, against sequential SGD; updates per model against sequential SGD; updates per
        model against data-parallel SGD on as many nodes.
    """
    sequential, popsgd, parallel = (
        updates_per_model(SIZE, 2, length, 1, 1) if n == 1 else updates_per_model(SIZE, 2, length, n, m, copies)
        for length, n, m, copies in ((epochs, 1, 1, 2), (epochs, nodes, mult, 2), (epochs * nodes, nodes, 1, 1))
    )
    dealt = Partitions(SIZE, 2, nodes, 0, 2, mult)
    made = sum(len(dealt.minibatch(node, step)) for node in range(nodes) for step in range(dealt.epoch_steps))
    return epochs * SIZE / (made * epochs / nodes), sequential / popsgd, parallel / popsgd


@decides("popsgd-partition-two-copies")
def test_every_sample_is_processed_by_two_nodes(claim: Decider) -> None:
    cases = [(n, mult) for n in (2, 4, 8, 32) for mult in (1, 4)]
    decisions = [two_copies(Partitions(512, 4, n, 0, 2, mult), epoch) for n, mult in cases for epoch in (0, 1)]
    seen = sorted({decision.interval.estimate for decision in decisions})
    text = f"{sum(decision.outcome == 'holds' for decision in decisions)} of {len(decisions)} epochs; counts {seen}"
    claim.decide(all_of(*decisions, _reshuffled()), text)


def two_copies(dealt: Partitions, epoch: int) -> Decision:
    """Decide that every sample is seen by two nodes, `mult` times by each, in an epoch."""
    first, seen = epoch * dealt.epoch_steps, Counter[tuple[int, int]]()
    for node in range(dealt.nodes):
        for step in range(first, first + dealt.epoch_steps):
            seen.update((int(sample), node) for sample in dealt.minibatch(node, step))
    nodes = Counter(sample for sample, _ in seen)
    every = [nodes[sample] for sample in range(dealt.train_size)]
    return exactly([*every, *seen.values()], [2] * len(every) + [dealt.mult] * len(seen))


def _reshuffled() -> Decision:
    """Decide that partitions differ from epoch to epoch, and orders from pass to pass."""
    dealt = Partitions(64, 4, 4, 0, 2, mult=2)
    passes = [np.concatenate([dealt.minibatch(0, 8 * p + step) for step in range(8)]) for p in range(4)]
    same_set = [set(passes[0]) == set(passes[1]), set(passes[0]) == set(passes[2])]
    return exactly([*same_set, bool((passes[0] == passes[1]).all())], [True, False, False])


@decides("popsgd-batch-128")
def test_batch_of_the_recipe(claim: Decider) -> None:
    batches = {imagenet(net).training(SYMMETRIC, IMAGENET_NODES, 0).batch for net in ("resnet18", "resnet50")}
    claim.decide(exactly(sorted(batches), [claim.claim.value]))
