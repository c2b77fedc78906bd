"""Files in the format of LIBSVM: a target and ``index:value`` pairs, indices from 1, on each line."""

from __future__ import annotations

import bz2
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reproductions.workloads.base import DataError, missing

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LINE = re.compile(rf"{_NUMBER}(?:\s+\d+:{_NUMBER})*")


class Table(NamedTuple):
    """Samples: features (m, d) and targets (m,), float32 or float64."""

    a: NDArray[Any]
    y: NDArray[Any]


def locate(data: Path | None, names: tuple[str, ...]) -> list[Path]:
    """Return files of these names, plain or with ``.bz2``, in the folder `data` or its ``libsvm``; else `DataError`."""
    for folder in (data / "libsvm", data) if data else ():
        found = [next(filter(Path.is_file, (folder / name, folder / f"{name}.bz2")), None) for name in names]
        if all(found):
            return [path for path in found if path]
    raise missing(data, names[0], f"{' and '.join(names)}, plain or .bz2, there and in libsvm/")


def read(path: Path, d: int) -> Table:
    """Read a file of samples with d features, float32; ``.bz2`` is decompressed.

    Raises
    ------
    DataError
        If a line is broken or has a feature that is not one of 1..d; names file, line and what was expected.
    """
    from sklearn.datasets import load_svmlight_file

    try:
        a, y = load_svmlight_file(str(path), n_features=d, dtype=np.float32, zero_based=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(_complaint(path, d) or f"{path} cannot be read: {error}.") from error
    if not len(y):
        raise DataError(f"{path} holds no sample.")
    if not (np.isfinite(a.data).all() and np.isfinite(y).all()):
        raise DataError(_complaint(path, d))  # the parser lets nan and inf through
    return Table(a.toarray(), y.astype(np.float32))


def _complaint(path: Path, d: int) -> str:
    """Return what is wrong with the first broken line."""
    opened = bz2.open if path.suffix == ".bz2" else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if wrong := _wrong(line, d):
                    return f"{path}, line {number}: {wrong}."
    except (OSError, EOFError, UnicodeDecodeError) as error:
        return f"{path} is damaged: {error}."
    return ""


def _wrong(line: str, d: int) -> str:
    text = line.split("#", 1)[0].strip()
    if not text:
        return ""
    if not _LINE.fullmatch(text):
        return f"expected a number and then index:value pairs, found {text[:60]!r}"
    indices = [int(pair.split(":")[0]) for pair in text.split()[1:]]
    if beyond := [i for i in indices if not 1 <= i <= d]:
        return f"expected features 1 to {d}, found feature {beyond[0]}"
    if any(b <= a for a, b in pairwise(indices)):
        return "expected features in increasing order, each once"
    return ""
