"""Whole runs of a small model through the command line."""

from training.runs.folder import RunFolder
from training.train import main

SMALL = [
    *("--backbone", "transformer", "--width", "32", "--heads", "4"),
    *("--layers", "1", "--vocabulary", "400"),
    *("--rankings-per-step", "8", "--learning-rate", "0.003", "--held-out-fraction", "0.25"),
]


def train(rankings, folder, *more):
    arguments = ["--rankings", str(rankings), "--run-folder", str(folder), *SMALL, *more]
    assert main(arguments) == 0
    return RunFolder(folder)
