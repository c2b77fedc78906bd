"""Hosts on this machine that are joined by links which really limit and really lose: for ``--network real``.

A host is a network namespace with one interface, ``eth0``, on a switch that is a bridge in a namespace of its own. None
of them has a way out, so no traffic leaves, and addresses cannot clash with anything. What runs on the hosts lives in a
process namespace whose first process is the one behind `prefix`; names of hosts and temporary files in a file system
that only these processes see. The kernel ends all of it with that first process, which ends with the one that started
it: nothing has to be cleaned up, whatever is killed.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from reproductions.harness.runs.provenance import ROOT

NETWORK = "10.77.0"  # private (RFC 1918); seen by nothing but the hosts
MOST = 250
CONTENT = 1448 / 1514  # bytes of a TCP segment in a full Ethernet frame: 20 IP, 32 TCP with timestamps, 14 Ethernet
BURST, QUEUE = "16kb", "16mb"  # of a link: bytes sent at once after a pause; bytes that wait, enough to drop nothing
# Reno is in every kernel, and fills a link at once whose queue drops nothing; BBR, a default of some, probes for long.
KERNEL = {
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv4/tcp_congestion_control": "reno",
    "ipv4/tcp_slow_start_after_idle": 0,
}
PRIVATE = Path("/dev/shm")  # of the hosts: sockets of MPI, and the agent
AGENT = PRIVATE / "agent"
NEEDED = "hosts with real links need root, network namespaces, ip, tc and nft on Linux"
UNSHARE = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]


def address(host: int) -> str:
    """Return the IPv4 address of a host, counted from 0; it is also the name of its namespace."""
    return f"{NETWORK}.{host + 1}"


def prefix(hosts: int) -> list[str]:
    """Return the words that, in front of a command, make it run on host 0 of so many.

    All hosts and whatever still runs on them end with the command, and with the thread that started it.

    Raises
    ------
    ValueError
        If there are less than one or more than 250 hosts.
    """
    if not 1 <= hosts <= MOST:
        raise ValueError(f"{hosts} hosts cannot be made: a network has 1 to {MOST}")
    return [*UNSHARE, sys.executable, "-m", "reproductions.harness.runs.real_links", str(os.getpid()), str(hosts)]


def mpiexec_options(hosts: int) -> list[str]:
    """Return the options with which an mpiexec on host 0 starts one rank on each host, in order."""
    places = ["--host", ",".join(address(host) for host in range(hosts)), "--map-by", "ppr:1:node"]
    return [*places, "--prtemca", "plm_ssh_agent", str(AGENT)]


def hydra_options(hosts: int) -> list[str]:
    """Return the options with which an mpiexec of MPICH on host 0 starts one rank on each host, in order."""
    places = ["-hosts", ",".join(address(host) for host in range(hosts)), "-ppn", "1", "-iface", "eth0"]
    return [*places, "-launcher", "rsh", "-launcher-exec", str(AGENT)]


def on(host: int, *command: str) -> None:
    """Run a short command in the namespace of a host, from any of them.

    Raises
    ------
    RuntimeError
        If it fails; with what it wrote.
    """
    _run("ip", "netns", "exec", address(host), *command)


def limit(hosts: int, mbit: float) -> None:
    """Limit the links of all hosts to so many Mbit/s in each direction, Ethernet headers included.

    Call it on one of the hosts, while nothing is sent.
    """
    if mbit <= 0:
        raise ValueError(f"a link of {mbit} Mbit/s sends nothing: give a rate above 0")
    shape = f"root tbf rate {round(mbit * 1e6)}bit burst {BURST} limit {QUEUE}".split()
    for host in range(hosts):
        _run("tc", "-n", address(host), "qdisc", "replace", "dev", "eth0", *shape)
        _run("tc", "-n", "switch", "qdisc", "replace", "dev", f"port{host}", *shape)


def lose(hosts: int, probability: float) -> None:
    """Let the kernel of every host drop each UDP datagram that reaches it with a probability, independently.

    Parameters
    ----------
    hosts
        Number of hosts.
    probability
        In steps of 1e-6, in [0, 1]. It replaces the one of an earlier call.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"the probability of a loss is {probability}, but it must lie in [0, 1]")
    rules = (
        "add table ip loss; delete table ip loss; add table ip loss; "
        "add chain ip loss input { type filter hook input priority 0; }; "
        f"add rule ip loss input meta l4proto udp numgen random mod 1000000 < {round(probability * 1e6)} counter drop"
    )
    for host in range(hosts):
        on(host, "nft", rules)


@functools.cache
def unavailable() -> str | None:
    """Return in one sentence why there can be no such hosts here, or None: it makes one and limits its link."""
    here = "from reproductions.harness.runs import real_links; real_links.limit(1, 5); real_links.lose(1, 0.1)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [*prefix(1), sys.executable, "-c", here]
    try:
        tried = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{NEEDED}: {error}"
    if tried.returncode == 0:
        return None
    return f"{NEEDED}: {(tried.stderr.strip().splitlines() or [f'code {tried.returncode}'])[-1]}"


# --------------------------------------------------------------------------- the first process of the namespaces


def main(owner: int, hosts: int, command: Sequence[str]) -> int:
    """Make the hosts and run a command on the first of them; return its exit code."""
    if not Path(f"/proc/{owner}").exists():  # it was killed before it could be known that we end with it
        return 1
    _make_private()
    _run("ip", "netns", "add", "switch")
    _run("ip", "-n", "switch", "link", "add", "name", "bridge", "type", "bridge")
    _run("ip", "-n", "switch", "link", "set", "bridge", "up")
    for host in range(hosts):
        _plug_in(host)
    environment = os.environ | {"TMPDIR": str(PRIVATE)}
    return subprocess.run(["ip", "netns", "exec", address(0), *command], env=environment, check=False).returncode


def _make_private() -> None:
    """Hide from the rest of the machine what names the hosts and what MPI leaves in temporary files."""
    names = Path("/run/netns")
    names.mkdir(exist_ok=True)
    for folder in (names, PRIVATE):
        _run("mount", "-t", "tmpfs", "hosts", str(folder))
    AGENT.write_text('#!/bin/sh\nhost=$1\nshift\nexec ip netns exec "$host" sh -c "$*"\n')  # called as ssh would be
    AGENT.chmod(0o700)


def _plug_in(host: int) -> None:
    name, port = address(host), f"port{host}"
    _run("ip", "netns", "add", name)
    _run("ip", "-n", "switch", "link", "add", "name", port, "type", "veth", "peer", "name", "eth0", "netns", name)
    _run("ip", "-n", "switch", "link", "set", port, "master", "bridge", "up")
    on(host, "sh", "-c", "; ".join(f"echo {value} > /proc/sys/net/{knob}" for knob, value in KERNEL.items()))
    _run("ip", "-n", name, "link", "set", "lo", "up")
    _run("ip", "-n", name, "address", "add", f"{name}/24", "dev", "eth0")
    _run("ip", "-n", name, "link", "set", "eth0", "up")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"'{' '.join(command)}' failed: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
