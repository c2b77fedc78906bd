"""A packet-level simulation of servers around one output-queued switch.

What section 7 of the paper leaves open is a field with a default that is usual in data centres, chosen before the first
run: see `Fabric` and `Transport`, and `traffic.Learning` and `traffic.Web` for the traffic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproductions.rps.colocation import ports
from reproductions.rps.colocation.events import run
from reproductions.rps.colocation.ports import NEVER, NONE, State

Integers = NDArray[np.int64]
SECOND = 1_000_000_000  # in nanoseconds, the unit of all times
MOST_SERVERS = 62  # `events` numbers two events of each and four more in seven bits


@dataclass(frozen=True)
class Transport:
    """The reliable transport of `flows`; times in seconds.

    Parameters
    ----------
    window
        Packets that a connection may send at first.
    timeout
        Floor of the retransmission timeout; the data-centre setting, servers on the internet use 0.2.
    first_timeout
        Timeout before there is a round trip to go by: about three through full queues.
    """

    window: int = 10
    timeout: float = 0.01
    first_timeout: float = 0.05


@dataclass(frozen=True)
class Fabric:
    """Servers, their links and the switch between them.

    Parameters
    ----------
    servers
        Each with one full-duplex link.
    bandwidth
        Bits per second of a link and direction.
    packet
        Bytes of a full packet on the wire; headers are part of it and not counted apart.
    delay
        Seconds from end to end besides queues and links; an acknowledgement takes twice that.
    switch_queue
        Bytes that wait at most in each queue of a port of the switch: a switch with shallow buffers.
    host_queue
        The same of a server: Linux's 1000 packets.
    share
        Of a link that the upper class has while both wait; 1 is strict priority.
    transport
        How reliable messages are sent.
    """

    servers: int = 16
    bandwidth: float = 1e9
    packet: int = 1500
    delay: float = 25e-6
    switch_queue: int = 256_000
    host_queue: int = 1_500_000
    share: float = 1.0
    transport: Transport = Transport()

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"the share of the upper class is {self.share}, but it must lie in (0, 1]")
        if not 2 <= self.servers <= MOST_SERVERS:
            raise ValueError(f"a fabric has from 2 to {MOST_SERVERS} servers, not {self.servers}")
        if 8 * SECOND % self.bandwidth:
            raise ValueError(f"the time of a byte at {self.bandwidth} bit/s is no whole number of nanoseconds")

    @property
    def nanoseconds(self) -> int:
        """Time of a byte on a link."""
        return int(8 * SECOND / self.bandwidth)


@dataclass(frozen=True, eq=False)
class Messages:
    """What is sent, one entry per message.

    Parameters
    ----------
    start
        (m,) nanoseconds.
    source, destination
        (m,) different servers.
    kind, queue
        (m,) `ports.WEB` or `ports.LEARNING`, and `ports.UPPER` or `ports.LOWER`.
    nbytes
        (m,) bytes.
    reliable
        (m,) whether the transport repeats what is lost.
    gap, jitter
        (m,) nanoseconds between the packets of an unreliable message, and the most by which each is late.
    """

    start: Integers
    source: Integers
    destination: Integers
    kind: Integers
    queue: Integers
    nbytes: Integers
    reliable: NDArray[np.bool_]
    gap: Integers
    jitter: Integers

    @classmethod
    def of(cls, **columns: ArrayLike) -> Messages:
        """Return messages of which some fields are the same for all."""
        given = dict(zip(columns, np.broadcast_arrays(*columns.values()), strict=True))
        kinds = {name: np.bool_ if name == "reliable" else np.int64 for name in columns}
        return cls(**{name: column.astype(kinds[name]) for name, column in given.items()})

    def __add__(self, other: Messages) -> Messages:
        return Messages(*(np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of the messages.

    Attributes
    ----------
    seconds
        (m,) from the start of a message to the arrival of its last packet; NaN if one never came.
    packets, received
        (m,) of each message.
    delivered, owner
        (p,) nanoseconds at which a packet reached its destination, -1 if never, and its message.
    entered
        (2,) bytes by kind that entered the network, repetitions included; ``lost`` (2, 2) is lost at servers and at
        the switch, ``arrived`` (2,) arrived and ``held`` (2,) still waits at the end.
    transmissions
        (m,) of reliable messages.
    area
        (2n,) packets in every port integrated over nanoseconds.
    events
        Their number.
    """

    seconds: NDArray[np.float64]
    packets: Integers
    received: Integers
    delivered: Integers
    owner: Integers
    entered: Integers
    lost: Integers
    arrived: Integers
    held: Integers
    transmissions: Integers
    area: Integers
    events: int


def simulate(
    fabric: Fabric, messages: Messages, late: NDArray[np.float64] | None = None, until: int = NEVER
) -> Outcome:
    """Send messages over a fabric.

    Parameters
    ----------
    fabric, messages
        What is sent over what.
    late
        Uniform draws for the jitter of packets, at least one for every packet of an unreliable message; by default none
        is late.
    until
        Nanosecond at which to stop; by default when nothing is left to happen.
    """
    counts = -(-messages.nbytes // fabric.packet)
    net = _network(fabric, messages, counts)
    opening = np.flatnonzero(messages.reliable)[np.argsort(messages.start[messages.reliable], kind="stable")]
    injected, at = _injections(messages, counts, net.packets["message"], late)
    first = [messages.start[opening[0]] if len(opening) else NEVER, at[0] if len(at) else NEVER]
    net.next_event[2 * fabric.servers :] = [*first, NEVER, NEVER]
    t = fabric.transport
    transport = np.array([t.window, *(x * SECOND for x in (t.timeout, t.first_timeout, 2 * fabric.delay))], np.int64)
    events = run(net, opening, injected, at, transport, fabric.share, fabric.nanoseconds, until)
    return _outcome(fabric, net, counts, events)


def _injections(
    messages: Messages, counts: Integers, owner: Integers, late: NDArray[np.float64] | None
) -> tuple[Integers, Integers]:
    """Return the packets of unreliable messages in the order in which they are sent, and when."""
    packets = np.flatnonzero(~messages.reliable[owner])
    message = owner[packets]
    firsts = np.cumsum(counts) - counts
    at = np.asarray(messages.start[message] + (packets - firsts[message]) * messages.gap[message], np.int64)
    if late is not None:
        at = at + (late[: len(packets)] * messages.jitter[message]).astype(np.int64)
    order = np.argsort(at, kind="stable")
    return packets[order], at[order]


def _network(fabric: Fabric, messages: Messages, counts: Integers) -> State:
    total, n = int(counts.sum()), fabric.servers
    records = np.zeros(len(counts), ports.MESSAGE)
    for name in ("start", "source", "destination", "kind", "queue", "reliable"):
        records[name] = getattr(messages, name)
    records["finish"], records["packets"], records["first"] = -1, counts, np.cumsum(counts) - counts
    packets = np.zeros(total, ports.PACKET)
    packets["message"], packets["size"], packets["delivered"] = np.repeat(np.arange(len(counts)), counts), -1, -1
    packets["size"] = fabric.packet
    packets["size"][np.cumsum(counts) - 1] = messages.nbytes - (counts - 1) * fabric.packet
    nodes = np.zeros(2 * total + 1000, ports.NODE)  # transmissions on their way, of which each packet has few
    nodes["next"][:-1], nodes["next"][-1] = np.arange(1, len(nodes)), NONE
    places, queues = np.zeros(2 * n, ports.PORT), np.zeros((2 * n, 2), ports.QUEUE)
    places["limit"][:n], places["limit"][n:] = fabric.host_queue, fabric.switch_queue
    places["serving"] = queues["head"] = NONE
    return State(
        next_event=np.full(2 * n + 4, NEVER, np.int64),
        messages=records,
        packets=packets,
        nodes=nodes,
        cursor=np.array([0, NONE, NONE], np.int64),
        ports=places,
        queues=queues,
        lost=np.zeros((2, 2), np.int64),
        entered=np.zeros(2, np.int64),
        arrived=np.zeros(2, np.int64),
    )


def _outcome(fabric: Fabric, net: State, counts: Integers, events: int) -> Outcome:
    records, packets = net.messages, net.packets
    taken = (records["finish"] - records["start"]) / SECOND + fabric.delay
    return Outcome(
        seconds=np.where(records["finish"] >= 0, taken, np.nan),
        packets=counts,
        received=records["received"].astype(np.int64),
        delivered=packets["delivered"].copy(),
        owner=packets["message"].astype(np.int64),
        entered=net.entered,
        lost=net.lost,
        arrived=net.arrived,
        held=_held(net),
        transmissions=records["transmissions"].astype(np.int64),
        area=net.ports["area"].copy(),
        events=events,
    )


def _held(net: State) -> Integers:
    """Add up the bytes in queues and in service, by kind of traffic."""
    kinds = net.messages["kind"]
    held = np.zeros(2, np.int64)
    nodes = [node for node in net.ports["serving"] if node >= 0]
    for head in net.queues["head"].ravel():
        node = head
        while node >= 0:
            nodes.append(node)
            node = net.nodes["next"][node]
    for node in nodes:
        packet = net.packets[net.nodes["packet"][node]]
        held[kinds[packet["message"]]] += packet["size"]
    return held
