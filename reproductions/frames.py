"""Frames: all runs of a results folder as one table, for a notebook."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PROVENANCE = ("workload", "precision", "seconds", "ranks", "commit", "clean", "time", "cpu", "cores", "gpu")


def load(results: str | Path = "results") -> pd.DataFrame:
    """Return all finished runs of a results folder as one frame.

    Parameters
    ----------
    results
        The results folder of sessions.

    Returns
    -------
    pandas.DataFrame
        One row for each run, step and metric: ``run`` (its name in ``results/runs/``), the parameters of its experiment
        by their path, such as ``algorithm.tau``, with ``seed`` among them and the name of each class under
        ``experiment``, ``algorithm``, ...; its provenance; then ``step``, ``metric`` and ``value``. A parameter that an
        experiment does not have is missing, as are those of runs that were made before they were stored.

    Raises
    ------
    FileNotFoundError
        If there are no finished runs.
    """
    folders = sorted(path.parent for path in (Path(results) / "runs").glob("[!.]*/run.json"))
    if not folders:
        raise FileNotFoundError(
            f"there are no finished runs in {Path(results) / 'runs'}: a session of pytest makes them"
        )
    return table(folders)


def table(folders: Sequence[Path]) -> pd.DataFrame:
    """Return the finished runs in some folders as one frame, see `load`."""
    import pandas as pd

    frames, heads = [], []
    for folder in folders:
        record = json.loads((folder / "run.json").read_text())
        frames.append(pd.read_parquet(folder / "frame.parquet"))
        provenance = {name: record["provenance"].get(name) for name in PROVENANCE}
        heads.append({"run": folder.name} | parameters(record.get("experiment")) | provenance)
    lengths = [len(frame) for frame in frames]
    head = pd.DataFrame(heads).astype({"run": "category"})
    columns = head.loc[head.index.repeat(lengths)].reset_index(drop=True)
    return pd.concat([columns, pd.concat(frames, ignore_index=True)], axis=1)


def parameters(described: Any) -> dict[str, Any]:
    """Return the parameters of a described experiment by their path; its class is ``experiment``."""
    return dict(_flat("", described)) if described else {}


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield path or "experiment", value["type"].rpartition(".")[2]
        for name, inner in value.items():
            if name != "type":
                yield from _flat(f"{path}.{name}" if path else name, inner)
    elif isinstance(value, list):
        yield path, json.dumps(value)
    else:
        yield path, value
