"""Runner: experiments in, runs out; what is stored already is not run again."""

from __future__ import annotations

import functools
import json
import os
import pickle
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reproductions.harness.deadline import Deadline
from reproductions.harness.experiment import Experiment, key
from reproductions.harness.launcher import LimitReached, RanksFailed, launch
from reproductions.harness.links import OnHosts
from reproductions.harness.memory import DoesNotFit
from reproductions.harness.provenance import provenance
from reproductions.harness.ranks import ANNOUNCED, REFUSED, Job
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run, RunStore
from reproductions.harness.tally import START, Tally

Report = Callable[[str], None]
Deployment = tuple[bool, bool]


class NetworkError(RuntimeError):
    """An experiment needs a network that this session does not have; the message is one sentence that names it."""


class Runner:
    """Runs grids of experiments for one session.

    Parameters
    ----------
    settings
        Options of the session.
    report
        Receives a line of progress, many times a second.
    announce
        Receives a line that stays, once in a session.
    deadline
        End of the session; now and the time limit of the settings unless it is given.
    """

    def __init__(
        self,
        settings: Settings,
        report: Report = lambda line: None,
        announce: Report = lambda line: None,
        deadline: Deadline | None = None,
    ) -> None:
        self.settings = settings
        self.report, self.announce = report, functools.cache(announce)
        self.store = RunStore(settings.results / "runs")
        self.deadline = deadline or Deadline(settings.time_limit)
        self.tally = Tally(self.store, self.deadline, settings.rerun)
        self.planned: list[Experiment] = []

    def key(self, experiment: Experiment) -> str:
        """Return the key of an experiment under the settings of this session."""
        return key(experiment, self.settings.data, self.settings.resolved_device, self.settings.precision)

    def want(self, experiments: Sequence[Experiment]) -> None:
        """With a time limit, count experiments among those that the session is about and has the network for."""
        if not self.deadline.limited:
            return
        able = [e for e in experiments if self.settings.network == "real" or not isinstance(e, OnHosts)]
        self.tally.wanted |= {self.key(experiment): experiment for experiment in able}

    def missing(self, experiments: Sequence[Experiment]) -> list[tuple[Experiment, str]]:
        """Return the experiments that have to be run, each once, with their keys."""
        keyed = {self.key(experiment): experiment for experiment in experiments}
        return [(experiment, key) for key, experiment in keyed.items() if not self._usable(key, experiment)]

    def run(self, experiments: Sequence[Experiment]) -> list[Run]:
        """Return the runs of all experiments, in order; one launch makes those that are missing.

        The launch goes on with what is `planned`, so that a session of short runs starts ranks only once. Experiments
        on dedicated ranks and those on hosts have launches of their own, as large as the largest of them, and so has
        each mortal one.

        Raises
        ------
        RanksFailed
            If the launch failed before these runs were done; what it finished stays stored.
        OutOfTime
            If the session has to stop before these runs are done; what is finished stays stored.
        DoesNotFit
            If one of them needs more memory than is free.
        NetworkError
            If one of them needs hosts with real links, and the session did not ask for them.
        """
        self.want(experiments)
        for deployment in sorted({_deployment(e) for e in experiments if not e.mortal}):
            if missing := self.missing([e for e in experiments if not e.mortal and _deployment(e) == deployment]):
                self._check_network(missing[0][0])
                planned = [e for e in self.planned if not e.mortal and _deployment(e) == deployment]
                self.planned = [e for e in self.planned if e not in planned]
                self._make(missing, dict((*missing, *self.missing(planned))))
        for pair in self.missing([e for e in experiments if e.mortal]):
            self._make([pair], dict([pair]))
        runs = [self.store.load(self.key(experiment), experiment) for experiment in experiments]
        assert all(run is not None for run in runs), "ranks reported success, but a run is not stored"
        return [run for run in runs if run is not None]

    def _make(self, missing: Sequence[tuple[Experiment, str]], todo: Mapping[Experiment, str]) -> None:
        """Make `todo`, of which `missing` has to succeed."""
        self.tally.check(START)
        before = {key: self.store.version(key) for key in todo.values()}
        traces = self.tally.traces(before)
        failure: RanksFailed | DoesNotFit | None = None
        try:
            stopped = self._launch(list(todo.items()))
        except LimitReached as error:
            stopped, failure = self.deadline.left <= 0, error
        except (RanksFailed, DoesNotFit) as error:
            stopped, failure = False, error
        finally:
            self.tally.add(traces, before)
        unmade = {key for key, version in before.items() if self.store.version(key) in (None, version)}
        self.tally.reached |= stopped and bool(unmade)
        if any(key in unmade for _, key in missing):
            if failure and not stopped:
                raise failure
            self.tally.check()

    def _usable(self, key: str, experiment: Experiment) -> bool:
        if self.settings.rerun and key not in self.tally.made:
            return False
        return self.store.load(key, experiment) is not None

    def _check_network(self, experiment: Experiment) -> None:
        if isinstance(experiment, OnHosts) and self.settings.network != "real":
            raise NetworkError("it needs hosts with real links: run it with --network real (root, Linux)")

    def _ranks(self, experiment: Experiment) -> int:
        own = any(_deployment(experiment)) or experiment.mortal
        return experiment.workers if own else self.settings.processes(experiment.workers)

    def _launch(self, missing: Sequence[tuple[Experiment, str]]) -> bool:
        """Start ranks and wait for their end; return whether the time limit of the session stopped them."""
        settings = self.settings
        alone = sum(experiment.solo for experiment, _ in missing)  # each on a rank of its own
        ranks = max(settings.processes(alone), *(self._ranks(experiment) for experiment, _ in missing))
        self.store.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".launch-", dir=self.store.root))
        job = Job(
            experiments=tuple(experiment for experiment, _ in missing),
            keys=tuple(key for _, key in missing),
            store=self.store.root,
            data=settings.data,
            device=settings.resolved_device,
            limit=settings.run_timeout,
            launcher_pid=os.getpid(),
            launcher_host=socket.gethostname(),
            provenance=provenance(),
            precision=settings.precision,
            streams=settings.streams,
            planned=settings.scale != "smoke",
            folder=folder,
            deadline=self.deadline.stop,
        )
        limit = min(settings.run_timeout, max(0.0, self.deadline.kill - self.deadline.clock()))
        tick = _Ticker(folder, len(missing), ranks, self.report, self.announce)
        try:
            (folder / "job.pickle").write_bytes(pickle.dumps(job))
            hosts = isinstance(missing[0][0], OnHosts)
            mortal = any(experiment.mortal for experiment in job.experiments)
            launch("reproductions.harness", folder, ranks, limit, settings.launcher, tick, hosts, mortal)
            return (folder / "stopped").exists()
        except RanksFailed:
            if (folder / REFUSED).exists():
                raise DoesNotFit((folder / REFUSED).read_text()) from None
            raise
        finally:
            tick.announce_new()
            self._hear(folder, missing)
            shutil.rmtree(folder, ignore_errors=True)
            for draft in (draft for _, key in missing for draft in self.store.root.glob(f".draft-{key}-*")):
                shutil.rmtree(draft, ignore_errors=True)

    def _hear(self, folder: Path, missing: Sequence[tuple[Experiment, str]]) -> None:
        """Take note of what the ranks began, and pass on what they warn of."""
        self.tally.begun = {key: experiment for experiment, key in missing if (folder / f"begun-{key}").exists()}
        for warning in folder.glob("warning-*"):
            warnings.warn(warning.read_text(), stacklevel=2)


def _deployment(experiment: Experiment) -> Deployment:
    """Return what experiments have to have in common to share a launch: hosts, and one rank for every worker."""
    return isinstance(experiment, OnHosts), experiment.dedicated


class _Ticker:
    """Turns what the ranks report into a line with the time remaining."""

    def __init__(self, folder: Path, total: int, ranks: int, report: Report, announce: Report) -> None:
        self.folder, self.total, self.ranks, self.report, self.announce = folder, total, ranks, report, announce
        self.start = time.monotonic()
        self.first: tuple[float, float] | None = None

    def announce_new(self) -> None:
        """Show what the ranks announced; lines that were shown are not shown again."""
        path = self.folder / ANNOUNCED
        for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
            if line.endswith("\n"):
                self.announce(line.rstrip())

    def __call__(self) -> None:
        self.announce_new()
        try:
            done = float(json.loads((self.folder / "progress").read_text())["done"])
        except (OSError, ValueError):
            self.report(f"starting {self.ranks} ranks for {self.total} runs")
            return
        now = time.monotonic()
        if self.first is None:
            self.first = (now, done)
        rate = (done - self.first[1]) / (now - self.first[0]) if now > self.first[0] else 0.0
        left = f", {duration((self.total - done) / rate)} left" if rate > 0 else ""
        self.report(f"run {min(int(done) + 1, self.total)} of {self.total} on {self.ranks} ranks{left}")


def duration(seconds: float) -> str:
    """Write seconds as a short text, such as ``1:05`` or ``2:03:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
