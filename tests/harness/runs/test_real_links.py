"""Hosts with real links: rates that hold in both directions, no way out, and nothing left whoever is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reproductions.harness.runs import launcher, real_links
from reproductions.harness.runs.launcher import RanksFailed, launch
from reproductions.harness.runs.provenance import ROOT
from tests.harness.toy_session import Session

TOY, LIMIT = "tests.harness.runs.link_ranks", 40.0
needs_hosts = pytest.mark.skipif(real_links.unavailable() is not None, reason=str(real_links.unavailable()))


def traces() -> list[str]:
    """Return what hosts could leave on a machine: namespaces, links, mounts, firewall rules."""
    commands = [["ip", "netns", "list"], ["ip", "-brief", "link"], ["nft", "list", "ruleset"]]
    found = [Path("/proc/self/mountinfo").read_text(), *sorted(os.listdir("/run/netns"))]
    for command in commands:
        try:
            found.append(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
        except FileNotFoundError:
            continue
    return found


def inhabitants(folder: Path) -> list[str]:
    """Return the processes of a launch that are alive: those of its command, and those in its namespaces."""
    namespaces = {inode for path in folder.glob("namespaces-*") for inode in json.loads(path.read_text())}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inodes = {os.stat(process / "ns" / kind).st_ino for kind in ("net", "pid", "mnt")}
            command = (process / "cmdline").read_text()
        except OSError:
            continue
        if inodes & namespaces or ("harness.runs.real_links\0" in command and str(folder) in command):
            found.append(f"{process.name}: {command}")
    return found


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[None]:
    """Assert that a test leaves the machine as it was."""
    real_links.unavailable()  # makes the folder of names that the first use of iproute2 leaves
    before = traces()
    yield
    end = time.monotonic() + 10
    while inhabitants(tmp_path) and time.monotonic() < end:
        time.sleep(0.05)
    assert inhabitants(tmp_path) == []
    assert traces() == before


def wait_for(there: Callable[[], bool], patience: float = LIMIT) -> None:
    end = time.monotonic() + patience
    while not there():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def owner(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that launches two ranks on hosts, which hang."""
    code = (
        "import os, pathlib; from reproductions.harness.runs.launcher import launch;"
        f"folder = pathlib.Path({str(folder)!r}); (folder / 'what').write_text(f'hang {{os.getpid()}}');"
        f"launch({TOY!r}, folder, 2, 60, hosts=True)"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)


def own_address() -> str:
    """Return an address of this machine outside of the hosts; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "192.0.2.1"
        return str(probe.getsockname()[0])


@needs_hosts
@pytest.mark.usefixtures("untouched")
def test_links_limit_both_directions_and_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "what").write_text(f"measure {own_address()}")
    launch(TOY, tmp_path, 4, LIMIT, hosts=True)
    found = json.loads((tmp_path / "found").read_text())
    hosts = ["10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.0.4"]
    unreachable = {"interfaces": ["eth0", "lo"], "way out": "Network is unreachable"}
    assert found["seen"] == [unreachable | {"host": host} for host in hosts]
    for exchange in ("everyone_to_the_next", "everyone_to_the_first", "the_first_to_everyone"):
        slower = found["seconds"][f"{exchange} 5"] / found["seconds"][f"{exchange} 20"]
        assert 2 < slower < 6, f"{exchange} takes {slower:.1f} times as long on a quarter of the rate"
    for exchange in ("everyone_to_the_first", "the_first_to_everyone"):  # one link carries all three messages
        longer = found["seconds"][f"{exchange} 5"] / found["seconds"]["everyone_to_the_next 5"]
        assert 2 < longer < 4, f"three messages over one link take {longer:.1f} times as long as one"


@needs_hosts
@pytest.mark.usefixtures("untouched")
@pytest.mark.fault("real links")
def test_an_exception_in_the_launching_process_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "what").write_text(f"hang {os.getpid()}")

    def fail() -> None:
        if len(list(tmp_path.glob("namespaces-*"))) == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        launch(TOY, tmp_path, 2, LIMIT, on_tick=fail, hosts=True)


@needs_hosts
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.fault("real links")
def test_a_signal_to_the_launching_process_leaves_nothing(tmp_path: Path, signum: signal.Signals) -> None:
    process = owner(tmp_path)
    wait_for(lambda: len(list(tmp_path.glob("namespaces-*"))) == 2)
    assert len(inhabitants(tmp_path)) >= 6  # two ranks, the daemon of each host, what starts them
    process.send_signal(signum)
    process.communicate(timeout=LIMIT)
    assert process.returncode in {-signal.SIGINT, -signal.SIGKILL}


@needs_hosts
@pytest.mark.usefixtures("untouched")
@pytest.mark.fault("real links")
def test_a_kill_while_hosts_are_made_leaves_nothing(tmp_path: Path) -> None:
    for part in range(4):
        process = owner(tmp_path)
        wait_for(lambda: bool(inhabitants(tmp_path)))
        time.sleep(0.08 * part)
        process.kill()
        process.communicate()
        wait_for(lambda: not inhabitants(tmp_path), patience=10)


@needs_hosts
@pytest.mark.usefixtures("untouched")
@pytest.mark.fault("real links")
def test_hosts_are_not_made_for_a_process_that_is_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    command = [str(gone.pid) if word == str(os.getpid()) else word for word in real_links.prefix(1)]
    done = subprocess.run([*command, "touch", str(tmp_path / "made")], cwd=ROOT, check=False)
    assert done.returncode == 1
    assert not (tmp_path / "made").exists()


@needs_hosts
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("what", ["unplug", "remove"])
@pytest.mark.fault("real links")
def test_a_link_that_fails_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(launcher, "GRACE", 0.5)
    (tmp_path / "what").write_text(what)
    with pytest.raises(RanksFailed, match="3 ranks did not finish within the limit of 5 s"):
        launch(TOY, tmp_path, 3, 5.0, hosts=True)


@needs_hosts
def test_a_command_that_fails_on_a_host_says_what_it_wrote() -> None:
    code = "from reproductions.harness.runs import real_links; real_links.limit(2, 5)"
    failed = subprocess.run(
        [*real_links.prefix(1), sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert failed.returncode == 1
    assert "'tc -n 10.77.0.2 qdisc replace" in failed.stderr
    assert 'Cannot open network namespace "10.77.0.2"' in failed.stderr


def test_without_the_means_the_option_is_refused_in_one_sentence(session: Session) -> None:
    result = session.run("--collect-only", str(session.paper), "--network", "real", PATH="/nowhere")
    assert result.returncode == 4
    assert result.stderr.strip() == (
        "ERROR: --network is 'real', but hosts with real links need root, network namespaces, ip, tc and nft on Linux: "
        "[Errno 2] No such file or directory: 'setpriv'"
    )


@needs_hosts
def test_the_option_excludes_a_launcher(session: Session) -> None:
    launcher = "env mpiexec -n {ranks}"
    result = session.run_here("--collect-only", str(session.paper), "--network", "real", "--launcher", launcher)
    assert result.returncode == 4
    assert "--network real starts the ranks on hosts of its own: leave out --launcher" in result.stderr


def test_a_folder_without_mpich_is_named(session: Session) -> None:
    result = session.run_here("--collect-only", str(session.paper), "--mpich", str(session.paper))
    assert result.returncode == 4
    assert "that is no environment with an MPICH: it lacks one of bin/mpiexec, lib/libmpi.so.12" in result.stderr


def test_bad_values_are_named() -> None:
    with pytest.raises(ValueError, match="0 hosts cannot be made: a network has 1 to 250"):
        real_links.prefix(0)
    with pytest.raises(ValueError, match=r"a link of 0 Mbit/s sends nothing"):
        real_links.limit(2, 0)
    with pytest.raises(ValueError, match=r"the probability of a loss is 1.5, but it must lie in \[0, 1\]"):
        real_links.lose(2, 1.5)
