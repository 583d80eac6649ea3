"""Make rankings from published judgements of people, to try a model on sets nobody tuned it on.

    python -m benchmarks.published seeda SEEDA corrections.jsonl
    python -m benchmarks.published simpeval LENS simplifications.jsonl
    python -m benchmarks.published dialsummeval DialSummEval summaries.jsonl

The second argument is a clone of the authors' repository: tmu-nlp/SEEDA (rankings of corrected
sentences by three people), Yao-Dou/LENS (SimpEval: ratings of simplified sentences by five and
three people) and kite99520/DialSummEval (ratings of summaries by three people). Ratings become a
ranking for each person, and equal ratings a tie. Where more responses were rated than a ranking
holds, they are dealt into groups, the same ones for all who rated them.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

MOST = 9  # responses in a ranking

Line = dict[str, Any]
Rated = dict[str, tuple[str, float]]
"""The text and rating of each response to a prompt, by the name of its source."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=READERS)
    parser.add_argument("repository", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    with open(arguments.output, "w") as file:
        for prompt, labeller, rated in READERS[arguments.kind](arguments.repository):
            for line in lines(prompt, labeller, rated):
                file.write(json.dumps(line) + "\n")


def seeda(repository: Path) -> Iterator[tuple[str, str, Rated]]:
    """Yield the whole-sentence rankings of SEEDA, with its worst rank 5 as the lowest rating."""
    outputs = {
        path.stem: path.read_text().split("\n")
        for path in sorted((repository / "outputs/all").glob("*.txt"))
    }
    root = ElementTree.parse(repository / "data/judgments_sent.xml").getroot()  # noqa: S314 -- a file of the authors
    for item in root.iter("ranking-item"):
        place = int(item.get("src-id", "")) - 1
        rated: Rated = {}
        for judged in item:
            source = judged.get("system", "").split()[0]  # The others wrote the same text.
            rated[source] = (outputs[source][place].strip(), -float(judged.get("rank", "")))
        yield outputs["INPUT"][place].strip(), item.get("user", ""), rated


def simpeval(repository: Path) -> Iterator[tuple[str, str, Rated]]:
    """Yield the ratings (0 to 100) of SimpEval's two files, of sentences up to and from 2022."""
    for name, text, people in (
        ("past", "processed_generation", 5),
        ("2022", "generation", 3),
    ):
        by_prompt: dict[str, list[dict[str, str]]] = defaultdict(list)
        with open(repository / f"data/simpeval_{name}.csv", newline="") as file:
            for row in csv.DictReader(file):
                by_prompt[row["original"]].append(row)
        for prompt, rows in by_prompt.items():
            for person in range(1, people + 1):
                yield (
                    prompt,
                    f"{name}-{person}",
                    {row["system"]: (row[text], float(row[f"rating_{person}"])) for row in rows},
                )


def dialsummeval(repository: Path) -> Iterator[tuple[str, str, Rated]]:
    """Yield the mean of the four ratings (1 to 5) that each person gave a summary."""
    by_prompt: dict[str, list[Line]] = defaultdict(list)
    with open(repository / "annotation_campus/human_judgment.jsonl") as file:
        for row in map(json.loads, file):
            by_prompt[row["dialogue"]].append(row)
    for prompt, rows in by_prompt.items():
        for person in range(3):
            yield (
                prompt,
                f"person {person + 1}",
                {
                    row["model_id"]: (
                        row["summary"],
                        statistics.mean(row["annotations"][person].values()),
                    )
                    for row in rows
                },
            )


READERS = {"seeda": seeda, "simpeval": simpeval, "dialsummeval": dialsummeval}


def lines(prompt: str, labeller: str, rated: Rated) -> Iterator[Line]:
    """Yield rankings of the distinct texts, in groups of as many as one ranking holds."""
    texts = {text: source for source, (text, _rating) in reversed(rated.items()) if text.strip()}
    sources = sorted(texts.values())
    count = -(-len(sources) // MOST)
    random = np.random.default_rng(list(prompt.encode()))
    for group in np.array_split(random.permutation(sources), count):
        if len(group) < 2:
            continue
        tied: dict[float, list[str]] = defaultdict(list)
        for source in sorted(group.tolist()):
            tied[rated[source][1]].append(source)
        yield {
            "prompt": prompt,
            "responses": [
                {"id": source, "text": rated[source][0], "source": source}
                for source in sorted(group.tolist())
            ],
            "ranking": [tied[rating] for rating in sorted(tied, reverse=True)],
            "labeller": labeller,
        }


if __name__ == "__main__":
    main()
