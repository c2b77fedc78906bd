"""Runner: experiments in, runs out; what is stored already is not run again."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from reproductions.harness.runs.by_value import pickled
from reproductions.harness.runs.deadline import Deadline
from reproductions.harness.runs.exchange import owned_folder
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.free_memory import DoesNotFit
from reproductions.harness.runs.key import in_main, key
from reproductions.harness.runs.launcher import LimitReached, RanksFailed, launch
from reproductions.harness.runs.progress import START, Tally, Ticker
from reproductions.harness.runs.provenance import provenance
from reproductions.harness.runs.ranks import REFUSED
from reproductions.harness.runs.settings import Settings
from reproductions.harness.runs.store import Run, RunStore, X
from reproductions.harness.runs.trackers import Hand
from reproductions.harness.runs.work import Job

Report = Callable[[str], None]
Keyed = dict[Experiment, str]
RANKS = "reproductions.harness"  # the module that every rank runs
SHAREABLE = {Placement.SHARED, Placement.ALONE}  # placements whose runs share a launch
LIKE_WITH_LIKE = (Placement.RANK_EACH, Placement.HOST_EACH, Placement.HOST_WINDOWS)  # whose runs share one each
NEEDS = {
    Placement.HOST_EACH: "it needs hosts with real links: run it with --network real (root, Linux)",
    Placement.HOST_WINDOWS: "it needs hosts with real links that read each other's memory: run it with --network real "
    "and --mpich (root, Linux; docs/real-links.md)",
}


class NetworkError(RuntimeError):
    """An experiment needs a network that this session does not have; the message is one sentence that names it."""


class Runner:
    """Runs grids of experiments for one session.

    Parameters
    ----------
    settings
        Options of the session.
    report
        Receives a line of progress, many times a second, and an empty one at the end.
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
        self.hand = Hand(settings.log_to, settings.results)
        self.deadline = deadline or Deadline(settings.time_limit)
        self.tally = Tally(self.store, self.deadline, settings.rerun)
        self.upcoming: list[Experiment] = []

    def key(self, experiment: Experiment) -> str:
        """Return the key of an experiment under the settings of this session."""
        return key(experiment, self.settings.data, self.settings.resolved_device, self.settings.precision)

    def want(self, experiments: Sequence[Experiment]) -> None:
        """With a time limit, count experiments among those that the session is about and has the network for."""
        if self.deadline.limited:
            self.tally.wanted |= {self.key(each): each for each in experiments if self.reaches(each)}

    def reaches(self, experiment: Experiment) -> bool:
        """Whether this session has the network that an experiment needs."""
        if not experiment.placement.hosts:
            return True
        windows = experiment.placement is Placement.HOST_WINDOWS
        return self.settings.network == "real" and not (windows and self.settings.mpich is None)

    def missing(self, experiments: Sequence[Experiment]) -> list[tuple[Experiment, str]]:
        """Return the experiments that have to be run, each once, with their keys."""
        keyed = {self.key(experiment): experiment for experiment in experiments}
        return [(experiment, key) for key, experiment in keyed.items() if not self._usable(key, experiment)]

    def run(self, experiments: Sequence[X]) -> list[Run[X]]:
        """Return the runs of all experiments, in order; launches of ranks make those that are missing.

        A launch also makes the runs that later tests will ask for (`upcoming`), so ranks start once a session.

        Raises
        ------
        RanksFailed
            If the launch failed before these runs were done; what it finished stays stored.
        OutOfTime
            If the session has to stop before these runs are done; what is finished stays stored.
        DoesNotFit
            If one of them needs more memory than is free.
        NetworkError
            If one of them needs hosts with real links, or an MPICH on them, and the session did not ask for them.
        """
        self.want(experiments)
        for needed, todo in self._launches(experiments):
            self._make(needed, todo)
        runs = [self.store.load(self.key(experiment), experiment) for experiment in experiments]
        assert all(run is not None for run in runs), "ranks reported success, but a run is not stored"
        return [run for run in runs if run is not None]

    def _launches(self, experiments: Sequence[Experiment]) -> Iterator[tuple[Keyed, Keyed]]:
        """Yield what is missing, launch by launch, alone and with what later tests will ask for.

        See `Placement` for what can share a launch.
        """
        for place in (SHAREABLE, *({place} for place in LIKE_WITH_LIKE)):
            if needed := dict(self.missing([e for e in experiments if e.placement in place])):
                if not all(map(self.reaches, needed)):
                    raise NetworkError(NEEDS[next(iter(place))])
                upcoming = [e for e in self.upcoming if e.placement in place]
                self.upcoming = [e for e in self.upcoming if e.placement not in place]
                yield needed, needed | dict(self.missing(upcoming))
        for pair in self.missing([e for e in experiments if e.placement is Placement.MORTAL]):
            yield dict([pair]), dict([pair])

    def _make(self, needed: Keyed, todo: Keyed) -> None:
        """Make `todo`, of which `needed` has to succeed."""
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
        if unmade & set(needed.values()):
            if failure and not stopped:
                raise failure
            self.tally.check()

    def _usable(self, key: str, experiment: Experiment) -> bool:
        if self.settings.rerun and key not in self.tally.made:
            return False
        return self.store.load(key, experiment) is not None

    def _ranks(self, experiment: Experiment) -> int:
        workers = experiment.workers
        return workers if experiment.placement.rank_each else self.settings.processes(workers)

    def _launch(self, missing: Sequence[tuple[Experiment, str]]) -> bool:
        """Start ranks and wait for their end; return whether the time limit of the session stopped them."""
        with owned_folder(self.store.root) as folder:
            return self._launch_in(folder, missing)

    def _launch_in(self, folder: Path, missing: Sequence[tuple[Experiment, str]]) -> bool:
        settings = self.settings
        alone = sum(experiment.placement is Placement.ALONE for experiment, _ in missing)  # each on a rank of its own
        ranks = max(settings.processes(alone), *(self._ranks(experiment) for experiment, _ in missing))
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
            ranks=ranks,
            dealt=settings.dealt,
            nice=settings.nice,
            tracked=settings.log_to is not None,
        )
        limit = min(settings.run_timeout, max(0.0, self.deadline.kill - self.deadline.clock()))
        ticker = Ticker(folder, job.experiments, ranks, self.report, self.announce)
        runs = {key: experiment for experiment, key in missing}

        def tick() -> None:
            ticker()
            self.hand.over(folder, runs)

        try:
            content = pickled(job, any(map(in_main, job.experiments)))
            (folder / "job.pickle").write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            place = missing[0][0].placement
            mpich = settings.mpich if place is Placement.HOST_WINDOWS else None
            mortal = place is Placement.MORTAL
            launch(
                RANKS, folder, ranks, limit, settings.launcher, tick, place.hosts, mortal, mpich=mpich, more=[digest]
            )
            return (folder / "stopped").exists()
        except RanksFailed:
            if (folder / REFUSED).exists():
                raise DoesNotFit((folder / REFUSED).read_text()) from None
            raise
        finally:
            ticker.announce_new()
            self.hand.over(folder, runs, last=True)
            self.report("")
            self._hear(folder, missing)

    def _hear(self, folder: Path, missing: Sequence[tuple[Experiment, str]]) -> None:
        """Take note of what the ranks began, and pass on what they warn of."""
        self.tally.begun = {key: experiment for experiment, key in missing if (folder / f"begun-{key}").exists()}
        for warning in folder.glob("warning-*"):
            warnings.warn(warning.read_text(), stacklevel=2)
