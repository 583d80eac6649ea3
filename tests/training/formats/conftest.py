"""Files that tests write and read."""

from pathlib import Path

import pytest

from tests.training.formats.reading import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)
