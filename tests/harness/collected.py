"""A pytest plugin that writes, for every test that was collected, the claim that it decides and what -k sees of it."""

import json
import os
from pathlib import Path

import pytest
from _pytest.mark import KeywordMatcher


def pytest_collection_finish(session: pytest.Session) -> None:
    found = {item.nodeid: [_claim(item), sorted(KeywordMatcher.from_item(item)._names)] for item in session.items}
    Path(os.environ["COLLECTED"]).write_text(json.dumps(found))


def _claim(item: pytest.Item) -> str:
    marker = item.get_closest_marker("claim")
    return str(marker.args[0]) if marker else ""
