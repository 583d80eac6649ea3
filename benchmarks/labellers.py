"""Make rankings by several labellers on the same responses, to compare ways to learn from them.

    python -m benchmarks.labellers rankings.jsonl.gz noisy.jsonl --labellers 7 --noise 3

Without `--labellers`, the labellers are those of the file. Otherwise its first ranking of each set
of responses is the truth, and each labeller ranks by -rank + Gumbel noise. The prompts that a run
with the default split holds out have one ranking: the truth, or what most labellers of the file
say. So runs with different `--aggregation` are evaluated on the same comparisons.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from training.aggregation import majority
from training.config import TrainConfig
from training.rankings import Ranking, prompt_hash
from training.splits import held_out_hashes

Line = dict[str, Any]
HELD_OUT = TrainConfig().held_out_fraction


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rankings", type=Path, help="ranking JSONL with prompts that are texts")
    parser.add_argument("output", type=Path)
    parser.add_argument("--labellers", type=int, default=0)
    parser.add_argument("--noise", type=float, default=3.0, help="scale of the noise, in ranks")
    arguments = parser.parse_args()
    sets = sets_of(arguments.rankings)
    random = np.random.default_rng(0)
    held_out = held_out_hashes((hash_of(lines[0]) for lines in sets), HELD_OUT)
    with open(arguments.output, "w") as file:
        for lines in sets:
            if hash_of(lines[0]) in held_out:
                made = [truth(lines[:1] if arguments.labellers else lines)]
            elif arguments.labellers:
                made = [
                    noisy(lines[0], f"labeller {number}", arguments.noise, random)
                    for number in range(arguments.labellers)
                ]
            else:
                made = lines
            file.writelines(json.dumps(line) + "\n" for line in made)


def sets_of(path: Path) -> list[list[Line]]:
    """Return the lines of each prompt and set of responses that have a comparison."""
    found: dict[tuple[str, frozenset[str]], list[Line]] = defaultdict(list)
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    for line in map(json.loads, text.decode().splitlines()):
        if len(line["ranking"]) > 1:
            ids = frozenset(response["id"] for response in line["responses"])
            found[line["prompt"], ids].append(line)
    return list(found.values())


def hash_of(line: Line) -> str:
    return prompt_hash([{"role": "user", "content": line["prompt"]}])


def ranks_of(line: Line) -> dict[str, int]:
    """Return the rank of each response, by its id."""
    return {name: rank for rank, tied in enumerate(line["ranking"], 1) for name in tied}


def truth(lines: list[Line]) -> Line:
    """Return what most of the labellers say."""
    rows = [ranks_of(line) for line in lines]
    most = majority([Ranking(tuple(row), tuple(row.values())) for row in rows])
    ranks = dict(zip(most.responses, most.ranks, strict=True))
    ranking = [
        [name for name, its in ranks.items() if its == rank] for rank in sorted({*ranks.values()})
    ]
    return lines[0] | {"ranking": ranking, "labeller": "truth"}


def noisy(line: Line, labeller: str, noise: float, random: np.random.Generator) -> Line:
    """Return the ranking of a labeller who sees the ranks through noise."""
    ranks = ranks_of(line)
    utilities = {name: -rank + noise * random.gumbel() for name, rank in ranks.items()}
    ranking = [[name] for name in sorted(utilities, key=lambda name: -utilities[name])]
    return line | {"ranking": ranking, "labeller": labeller}


if __name__ == "__main__":
    main()
