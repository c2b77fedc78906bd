from pathlib import Path

import pytest

from tests.report.generated import write_papers, write_results


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    return write_papers(tmp_path / "papers")


@pytest.fixture
def results(tmp_path: Path, papers: Path) -> Path:
    return write_results(tmp_path / "results", papers)
