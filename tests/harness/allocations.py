"""Memory that torch's allocator of the CPU gives, as its profiler sees it."""

from __future__ import annotations

from collections.abc import Callable

import torch


def peak_of(work: Callable[[], object]) -> int:
    """Return the most bytes that are allocated at once while `work` runs."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        work()
    results = profile.profiler.kineto_results  # type: ignore[union-attr]
    events = [event for event in results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak
