"""Runner: experiments in, runs out; what is stored already is not run again."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reproductions.harness.experiment import Experiment, key
from reproductions.harness.launcher import RanksFailed, launch
from reproductions.harness.links import OnHosts
from reproductions.harness.provenance import provenance
from reproductions.harness.ranks import Job
from reproductions.harness.settings import Settings
from reproductions.harness.store import Run, RunStore

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
    """

    def __init__(self, settings: Settings, report: Report = lambda line: None) -> None:
        self.settings = settings
        self.report = report
        self.store = RunStore(settings.results / "runs")
        self.made: set[str] = set()
        self.planned: list[Experiment] = []

    def key(self, experiment: Experiment) -> str:
        """Return the key of an experiment under the settings of this session."""
        return key(experiment, self.settings.data, self.settings.resolved_device)

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
        NetworkError
            If one of them needs hosts with real links, and the session did not ask for them.
        """
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
        try:
            self._launch(list(todo.items()))
        except RanksFailed:
            if any(not self.store.folder(key).is_dir() for _, key in missing):
                raise
        finally:
            self.made |= {key for key in todo.values() if self.store.folder(key).is_dir()}

    def _usable(self, key: str, experiment: Experiment) -> bool:
        if self.settings.rerun and key not in self.made:
            return False
        return self.store.load(key, experiment) is not None

    def _check_network(self, experiment: Experiment) -> None:
        if isinstance(experiment, OnHosts) and self.settings.network != "real":
            raise NetworkError("it needs hosts with real links: run it with --network real (root, Linux)")

    def _ranks(self, experiment: Experiment) -> int:
        own = any(_deployment(experiment)) or experiment.mortal
        return experiment.workers if own else self.settings.processes(experiment.workers)

    def _launch(self, missing: Sequence[tuple[Experiment, str]]) -> None:
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
        )
        try:
            (folder / "job.pickle").write_bytes(pickle.dumps(job))
            tick = _Ticker(folder, len(missing), ranks, self.report)
            hosts = isinstance(missing[0][0], OnHosts)
            mortal = any(experiment.mortal for experiment in job.experiments)
            launch("reproductions.harness", folder, ranks, settings.run_timeout, settings.launcher, tick, hosts, mortal)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            for draft in (draft for _, key in missing for draft in self.store.root.glob(f".draft-{key}-*")):
                shutil.rmtree(draft, ignore_errors=True)


def _deployment(experiment: Experiment) -> Deployment:
    """Return what experiments have to have in common to share a launch: hosts, and one rank for every worker."""
    return isinstance(experiment, OnHosts), experiment.dedicated


class _Ticker:
    """Turns what the ranks report into a line with the time remaining."""

    def __init__(self, folder: Path, total: int, ranks: int, report: Report) -> None:
        self.folder, self.total, self.ranks, self.report = folder, total, ranks, report
        self.start = time.monotonic()
        self.first: tuple[float, float] | None = None

    def __call__(self) -> None:
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
