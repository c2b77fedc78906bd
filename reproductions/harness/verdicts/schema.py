"""What an editor needs to check claims files; ``reproductions schema`` writes it."""

from __future__ import annotations

import json
from pathlib import Path

from reproductions.harness.verdicts.claims import ClaimsFile

SCHEMA_FILE = Path(__file__).resolve().parents[2] / "claims.schema.json"


def schema() -> str:
    """Return the JSON schema of a claims file."""
    return json.dumps(ClaimsFile.model_json_schema(), indent=1) + "\n"


def write() -> None:
    """Write the schema beside the papers."""
    SCHEMA_FILE.write_text(schema())
