"""Roofline of the time of a gradient, on layers whose arithmetic and traffic are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reproductions.experiments.gradient_cost import gradient_cost
from reproductions.experiments.roofline import H100, Device, Roofline, plan_table, roofline, roofline_table

UNIT = Device("unit", flops=1.0, bandwidth=1.0)
DOCUMENT = Path(__file__).parents[2] / "docs/gpu.md"


def total(output: Tensor, target: Tensor) -> Tensor:
    return output.sum()


def found(model: nn.Module, *shape: int) -> Roofline:
    inputs, targets = torch.empty(shape, device="meta"), torch.empty(shape[0], device="meta")
    return roofline(gradient_cost(model.to("meta"), inputs, targets, total), UNIT)


def test_linear_layer() -> None:
    """B samples, a inputs, b outputs: y = W x and dW = dy x^T; W, dW, x and the targets move, nothing is saved."""
    B, a, b = 4, 7, 5
    floor = found(nn.Linear(a, b, bias=False), B, a)
    assert floor.arithmetic == pytest.approx(B / (2 * 2 * B * a * b))
    assert floor.bandwidth == pytest.approx(B / (4 * (2 * a * b + B * a + B)))
    assert floor.rate == floor.arithmetic


def test_convolution_below_a_square() -> None:
    """A 3x3 convolution of c to k channels on h x w pixels, whose output autograd keeps for the square above."""
    B, c, k, h, w = 2, 3, 8, 10, 12

    class Squared(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input).square()

    floor = found(Squared(c, k, 3, padding=1, bias=False), B, c, h, w)
    parameters, output, batch = k * c * 9, B * k * h * w, B * c * h * w + B
    assert floor.arithmetic == pytest.approx(B / (2 * 2 * B * k * h * w * c * 9))
    assert floor.bandwidth == pytest.approx(B / (4 * (2 * parameters + batch + 2 * output)))


def test_floors_scale_with_the_device() -> None:
    inputs, targets = torch.empty(4, 7, device="meta"), torch.empty(4, device="meta")
    cost = gradient_cost(nn.Linear(7, 5, device="meta"), inputs, targets, total)
    unit, sheet = roofline(cost, UNIT), roofline(cost, H100)
    assert sheet.arithmetic == pytest.approx(66.9e12 * unit.arithmetic)
    assert sheet.bandwidth == pytest.approx(3.35e12 * unit.bandwidth)


def test_document_has_the_tables_that_the_command_prints() -> None:
    text = DOCUMENT.read_text()
    assert roofline_table() in text
    assert plan_table() in text
