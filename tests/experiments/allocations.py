"""Memory that torch's allocator of the CPU gives, as its profiler sees it."""

from __future__ import annotations

from collections.abc import Callable

import torch


def peak_of(work: Callable[[], object]) -> int:
    """Return the most bytes that are allocated at once while `work` runs on one thread, as in the ranks."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        work()
    torch.set_num_threads(threads)
    results = profile.profiler.kineto_results  # type: ignore[union-attr]
    events = [event for event in results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak
