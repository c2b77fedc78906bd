"""Precision of a session that asks for none."""

from __future__ import annotations

import pytest
import torch

from reproductions.harness import precision


@pytest.mark.parametrize(
    ("scale", "device", "gain", "chosen"),
    [
        ("small", "cpu", 1.7, "bfloat16"),
        ("small", "cpu", 1.1, "float32"),
        ("small", "cuda", 1.7, "float32"),
        ("paper", "cpu", 1.7, "float32"),
        ("smoke", "cpu", 1.7, "float32"),
    ],
)
def test_bfloat16_is_taken_at_small_scale_where_a_core_is_faster_by_it(
    scale: str, device: str, gain: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "gain", lambda: gain)
    assert precision.default(scale, device) == chosen


def test_the_gain_is_measured_on_one_core_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    precision.gain.cache_clear()
    threads, seen = torch.get_num_threads(), []
    times = {torch.float32: iter([3.0, 2.0, 4.0]), torch.bfloat16: iter([1.0, 9.0, 5.0])}

    def seconds(kind: torch.dtype) -> float:
        seen.append(torch.get_num_threads())
        return next(times[kind])

    monkeypatch.setattr(precision, "_seconds", seconds)
    assert [precision.gain(), precision.gain()] == [2.0, 2.0], "the shortest of three of each"
    assert set(seen) == {1}
    assert torch.get_num_threads() == threads
    precision.gain.cache_clear()
