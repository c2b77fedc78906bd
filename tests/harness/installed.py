"""The suite as pip would have installed it: its name, its version and its entry points, for processes of tests."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from tests.harness.toy_session import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process that finds this checkout and, in a folder, what pip writes of it."""
    info = folder / f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n")
    points = "".join(f"{name} = {value}\n" for name, value in PROJECT["entry-points"]["pytest11"].items())
    (info / "entry_points.txt").write_text(f"[pytest11]\n{points}")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")}
    path = os.pathsep.join(map(str, (folder, ROOT)))
    return inherited | {"PYTHONPATH": path, "REPRO_DEVICE": "cpu", "PYTHONDONTWRITEBYTECODE": "1"} | more
