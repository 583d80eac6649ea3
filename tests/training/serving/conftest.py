"""A small run whose model the tests serve."""

from pathlib import Path

import pytest

from training import score, train
from training.runs.folder import RunFolder

SMALL = ("--backbone", "transformer", "--width", "32", "--vocabulary", "400", "--epochs", "2")


@pytest.fixture(scope="session")
def served_run(rankings_file: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that learned ties, with the scores of the responses that it learned from."""
    folder = tmp_path_factory.mktemp("served") / "run"
    options = ["--rankings", str(rankings_file), "--run-folder", str(folder), *SMALL]
    limits = ["--max-prompt-tokens", "64", "--max-response-tokens", "64", "--ties", "davidson"]
    assert train.main([*options, *limits]) == 0
    assert score.main(["--run-folder", str(folder), "--responses", str(rankings_file)]) == 0
    return RunFolder(folder)
