"""Keep a part of the training prompts of a rankings file, to see what a model learns from few.

    python -m benchmarks.few_rankings rankings.jsonl.gz few.jsonl --share 0.1 --split 0

All prompts that a run with `--split 0 --held-out-fraction 0.2` holds out stay.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

from benchmarks.labellers import hash_of
from training.splits import split_position

HELD_OUT = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rankings", type=Path, help="ranking JSONL with prompts that are texts")
    parser.add_argument("output", type=Path)
    parser.add_argument("--share", type=float, default=0.1, help="of the training prompts")
    parser.add_argument("--split", type=int, default=0)
    arguments = parser.parse_args()
    most = HELD_OUT + (1 - HELD_OUT) * arguments.share
    lines = gzip.decompress(arguments.rankings.read_bytes()).decode().splitlines()
    with open(arguments.output, "w") as file:
        for line in lines:
            if split_position(hash_of(json.loads(line)), arguments.split) < most:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
