"""A second simulator for unreliable packets, written without looking at the first: slow, for cross-checks."""

from __future__ import annotations

import heapq
from collections import deque

from reproductions.rps.colocation.simulation import Fabric, Messages

HOST, SWITCH, DONE = 0, 1, 2


def delivered(fabric: Fabric, messages: Messages) -> list[int]:
    """Return when each single-packet message arrives, -1 if it is lost; strict priority only."""
    waiting: dict[tuple[int, int], tuple[deque[int], deque[int]]] = {
        (stage, i): (deque(), deque()) for stage in (HOST, SWITCH) for i in range(fabric.servers)
    }
    busy: dict[tuple[int, int], int | None] = dict.fromkeys(waiting)
    limits = {HOST: fabric.host_queue, SWITCH: fabric.switch_queue}
    arrival = [-1] * len(messages.start)
    events = [(int(t), 2, 0, m) for m, t in enumerate(messages.start)]
    heapq.heapify(events)

    def size(m: int) -> int:
        return int(messages.nbytes[m])

    def start(place: tuple[int, int], m: int, now: int) -> None:
        busy[place] = m
        heapq.heappush(events, (now + size(m) * fabric.nanoseconds, place[0], place[1], m))

    def come(place: tuple[int, int], m: int, now: int) -> None:
        line = waiting[place][messages.queue[m]]
        if busy[place] is None:
            start(place, m, now)
        elif sum(map(size, line)) + size(m) <= limits[place[0]]:
            line.append(m)

    while events:
        now, kind, at, m = heapq.heappop(events)
        if kind == DONE:
            come((HOST, int(messages.source[m])), m, now)
            continue
        upper, lower = waiting[kind, at]
        busy[kind, at] = None
        if upper or lower:
            start((kind, at), (upper or lower).popleft(), now)
        if kind == HOST:
            come((SWITCH, int(messages.destination[m])), m, now)
        else:
            arrival[m] = now
    return arrival
