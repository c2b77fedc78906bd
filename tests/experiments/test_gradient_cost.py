"""Cost of a gradient on tensors without memory, against closed forms and against real tensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from reproductions.experiments.gradient_cost import Cost, Loss, evaluation_peak, gradient_cost
from reproductions.workloads.digits import Digits
from reproductions.workloads.grammar import SlotGrammar
from reproductions.workloads.resnet import ResNet
from reproductions.workloads.vgg import Vgg
from tests.experiments.allocations import peak_of


def total(output: Tensor, target: Tensor) -> Tensor:
    """Return a loss for which nothing is saved."""
    return output.sum()


def cost(model: nn.Module, *shape: int, loss: Loss = total) -> Cost:
    inputs = torch.empty(shape, device="meta")
    return gradient_cost(model.to("meta"), inputs, torch.empty(shape[0], device="meta"), loss)


def test_linear_layer_by_hand() -> None:
    found = cost(nn.Linear(7, 5), 4, 7)
    assert found.samples == 4
    assert found.parameters == 4 * (7 * 5 + 5)
    assert found.batch == 4 * (4 * 7 + 4)
    assert found.saved == 0  # the product needs its input, which is the batch, and the weights
    assert found.flops == 2 * 2 * 4 * 7 * 5  # output and gradient of the weights, none of the input


def test_layers_above_the_first_need_the_gradient_of_their_input() -> None:
    found = cost(nn.Sequential(nn.Linear(7, 5), nn.Sigmoid(), nn.Linear(5, 3)), 4, 7)
    assert found.flops == 2 * 4 * (2 * 7 * 5 + 3 * 5 * 3)
    assert found.saved == 4 * 4 * 5  # the sigmoid's output, once, though two layers need it


def test_convolution_by_hand() -> None:
    found = cost(nn.Conv2d(3, 8, 3, padding=1, bias=False), 2, 3, 10, 10)
    assert found.parameters == 4 * 8 * 3 * 9
    assert found.flops == 2 * (2 * 2 * 8 * 10 * 10 * 3 * 9)
    assert found.peak >= 4 * 2 * 8 * 10 * 10  # its output


def test_a_deeper_network_saves_more_and_an_evaluation_does_not() -> None:
    shallow, deep = (cost(ResNet(depth, width=4).build(), 2, 3, 32, 32) for depth in (8, 14))
    assert deep.saved > 1.5 * shallow.saved
    image = torch.empty(2, 3, 32, 32, device="meta")
    first, second = (evaluation_peak(ResNet(depth, width=4).build().to("meta"), image) for depth in (8, 14))
    assert first == second


# -------------------------------------------------------------------------------------------------- real tensors

Case = tuple[Callable[[], nn.Module], Tensor, Tensor, Loss]


def images(net: ResNet | Vgg, batch: int) -> Case:
    pixels = torch.randn(batch, 32, 32, 3).permute(0, 3, 1, 2)
    return net.build, pixels, torch.zeros(batch, dtype=torch.int64), functional.cross_entropy


def sentences() -> Case:
    task = SlotGrammar().load(None)
    words, tags = (torch.zeros_like(part, device="cpu") for part in task.specimen(8))
    return task.model, words, tags, task.loss


CASES = {"resnet": images(ResNet(8), 32), "vgg": images(Vgg(11, width=16), 4), "lstm": sentences()}


def on_meta(case: Case) -> Cost:
    build, inputs, targets, loss = case
    return gradient_cost(build().to("meta"), inputs.to("meta"), targets.to("meta"), loss)


@pytest.mark.parametrize("name", CASES)
def test_saved_bytes_are_those_of_real_tensors(name: str) -> None:
    build, inputs, targets, loss = CASES[name]
    model = build()
    there = {tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers(), inputs, targets)}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in there:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.backends.mkldnn.flags(enabled=False, allow_tf32=None),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
    ):
        value = loss(model(inputs), targets)
    assert value.isfinite()
    assert on_meta(CASES[name]).saved == sum(saved.values())


def measured_peak(case: Case) -> int:
    """Return the peak of what torch's allocator gave in forward and backward."""
    build, inputs, targets, loss = case
    model = build()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return peak_of(lambda: torch.autograd.backward(loss(model(inputs), targets)))


@pytest.mark.parametrize("name", ["resnet", "lstm"])
@pytest.mark.parametrize(("onednn", "factor"), [(False, 1.25), (True, 2.5)])
def test_peak_is_close_to_that_of_the_allocator(name: str, onednn: bool, factor: float) -> None:
    """oneDNN copies tensors into its own layout, and its LSTM saves twice as much."""
    found = on_meta(CASES[name])
    with torch.backends.mkldnn.flags(enabled=onednn, allow_tf32=None):
        peak = measured_peak(CASES[name])
    assert found.peak <= 1.01 * peak
    assert peak <= factor * found.peak
    assert peak > factor * (found.peak - found.saved), "this factor does not see what autograd saves"


@pytest.mark.parametrize("net", ["linear", "mlp", "small", "deep", "plain"])
def test_embedded_images_have_a_cost(net: str) -> None:
    task = Digits(net).load()  # type: ignore[arg-type]
    inputs, targets = task.specimen(32)
    found = gradient_cost(task.model().to("meta"), inputs, targets, task.loss)
    real = task.batch(torch.arange(32).numpy(), 0, 0, 0)
    assert [tensor.shape for tensor in real] == [inputs.shape, targets.shape]
    assert found.flops > 0
    assert found.peak >= found.saved
