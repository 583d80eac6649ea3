"""Show the accuracy of runs on the folds of a set, and their leads over both baselines.

    for fold in 0 1 2 3 4; do
      python -m training.train --rankings set.jsonl --folds 5 --split $fold \\
        --run-folder var/set-$fold
    done
    python -m benchmarks.folds var/set-*

Figures are means over the runs, overall and at near-equal length. The 95 % intervals of the leads
take the folds as independent: each one's standard error is a quarter of its interval's width.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.measuring import Rows, markdown

BASELINES = {"counting words": "word_counts", "the longer one": "longer_wins"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUN_FOLDER")
    folders = parser.parse_args().folders
    read = [json.loads((folder / "metrics.json").read_text())["held_out"] for folder in folders]
    print(markdown(rows(read)))


def rows(read: list[dict[str, Any]]) -> Rows:
    """Return a row for all comparisons and one for those at near-equal length."""
    found = []
    for length, figures in (("all", read), ("near-equal", [run["near_equal"] for run in read])):
        row = {
            "length": length,
            "comparisons": sum(each["comparisons"] for each in figures),
            "accuracy, %": f"{percent(each['accuracy'] for each in figures):.1f}",
        }
        for title, name in BASELINES.items():
            baselines = [run["baselines"][name] for run in read]
            if length == "near-equal":
                baselines = [each["near_equal"] for each in baselines]
            row[f"{title}, %"] = f"{percent(each['accuracy'] for each in baselines):.1f}"
            row[f"lead over {title}, points"] = lead(baselines)
        found.append(row)
    return found


def percent(shares: Iterable[float]) -> float:
    return 100 * statistics.mean(shares)


def lead(baselines: list[dict[str, Any]]) -> str:
    """Return the mean lead over a baseline, with its interval."""
    errors = [(each["gain_high"] - each["gain_low"]) / 4 for each in baselines]
    middle = percent(each["gain"] for each in baselines)
    half = 100 * 2 * math.hypot(*errors) / len(errors)
    return f"{middle:+.1f} ({middle - half:+.1f} to {middle + half:+.1f})"


if __name__ == "__main__":
    main()
