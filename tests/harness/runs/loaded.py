"""What a run loads: ``python -m tests.harness.runs.loaded FILE`` runs the experiments pickled in a file.

Each runs in a fork of a process that has loaded no module of the project but the harness, and, to save time, the
libraries whose import takes seconds. One line of JSON for each experiment names the modules of the project that its
process has loaded at the end.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path

from reproductions.harness.runs.context import Context
from reproductions.harness.runs.experiment import Experiment, Placement
from reproductions.harness.runs.key import CARRIERS, PROJECT

SLOW = ("networkx", "numba", "pandas", "scipy.stats", "sklearn.datasets", "torch.func", "torchvision")


def loaded() -> list[str]:
    """Return the modules of the project that are loaded, but for the harness."""
    return sorted(
        name
        for name in sys.modules
        if name.split(".")[0] in PROJECT and not any(f"{name}.".startswith(f"{carrier}.") for carrier in CARRIERS)
    )


@dataclass(frozen=True)
class Loaded(Experiment):
    """Another experiment, which notes as ``modules`` what it has loaded."""

    inner: Experiment

    @property
    def placement(self) -> Placement:  # type: ignore[override]
        return self.inner.placement

    @property
    def workers(self) -> int:
        return self.inner.workers

    def execute(self, context: Context) -> None:
        self.inner.execute(context)
        context.notes["modules"] = loaded()


def _report(pickled: bytes) -> None:
    pickle.loads(pickled).execute(Context())
    print(json.dumps(loaded()), flush=True)


def main(file: Path) -> None:
    """Run every experiment in a process of its own, one after the other."""
    assert loaded() == ["reproductions"], f"nothing but the harness may be loaded before a run, not {loaded()}"
    for library in SLOW:
        importlib.import_module(library)
    for pickled in pickle.loads(file.read_bytes()):
        child = os.fork()
        if child == 0:
            try:
                _report(pickled)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0, "an experiment failed"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
