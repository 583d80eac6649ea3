"""The training side as a table: a row of features for each response, and all comparisons.

All rankings of a prompt are taken together: a comparison that several labellers made is one row
with their joint weight, and the weights of a prompt's comparisons add up to one.

Shapes: M responses, F named features, W buckets of words, E features of embeddings, one score of a
reward model, C comparisons, Q prompts.
"""

# ruff: noqa: N802, N815 - shapes in names

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.backbones.embedder import Embedder
from training.backbones.features import Vocabulary
from training.backbones.lastlayer import count_table, texts_of
from training.backbones.scorer import Scorer
from training.backbones.textfeatures import features, word_counts
from training.data.dataset import Rankings, TokenizedRanking
from training.rankings import Ties, comparisons

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Hold what the linear model learns from."""

    named_MF: Floats
    words_MW: csr_array
    """1 + log(count) of each bucket of words."""
    embedded_ME: Floats | None
    scored_M1: Floats | None
    prompt_M: Numbers
    """Number of each response's prompt, from 0 to Q - 1."""
    better_C: Numbers
    """Row of each comparison's better response."""
    worse_C: Numbers
    weight_C: NDArray[np.float64]

    @property
    def prompt_C(self) -> Numbers:
        return self.prompt_M[self.better_C]

    @property
    def prompts(self) -> int:
        return int(self.prompt_M[-1]) + 1


def read_table(
    rankings: Rankings,
    vocabulary: Vocabulary,
    buckets: int,
    ties: Ties,
    *,
    embedder: Embedder | None = None,
    scorer: Scorer | None = None,
    tick: Callable[[], None] = lambda: None,
) -> FeatureTable:
    """Return the table of the prompts of these rankings.

    The texts are those that the tokens stand for, so that they end where the model's end. `tick` is
    called after each prompt.
    """
    named: list[list[float]] = []
    words: list[tuple[Numbers, Floats]] = []
    embedded: list[Floats] = []
    scored: list[Floats] = []
    prompts: list[int] = []
    pairs: list[tuple[int, int, float]] = []
    for number, (prompt, its_rankings) in enumerate(rankings.by_prompt(texts=False)):
        asked, responses = texts_of(vocabulary, prompt.tokens, prompt.responses)
        first = len(named)
        named += [features(asked, response) for response in responses]
        words += [word_counts(response, buckets) for response in responses]
        prompts_M = [asked] * len(responses)
        if embedder is not None:
            embedded.append(embedder(prompts_M, responses).cpu().numpy())
        if scorer is not None:
            scored.append(scorer(prompts_M, responses).cpu().numpy())
        prompts += [number] * len(responses)
        pairs += [
            (first + better, first + worse, weight)
            for better, worse, weight in weighted_comparisons(its_rankings, ties)
        ]
        tick()
    return FeatureTable(
        np.array(named, np.float32),
        count_table(words, buckets),
        np.concatenate(embedded) if embedded else None,
        np.concatenate(scored) if scored else None,
        np.array(prompts),
        np.array([better for better, _, _ in pairs]),
        np.array([worse for _, worse, _ in pairs]),
        np.array([weight for _, _, weight in pairs]),
    )


def weighted_comparisons(
    rankings: list[TokenizedRanking], ties: Ties
) -> Iterator[tuple[int, int, float]]:
    """Yield the places of the better and the worse response of a prompt, and their weight.

    A tie counts half in either direction, unless ties are dropped; where the model learns their
    probability, the linear part drops them.
    """
    counts: defaultdict[tuple[int, int], float] = defaultdict(float)
    for ranking in rankings:
        for pair in comparisons(
            ranking.ranks, "half" if ties == "half" else "drop", groups=ranking.groups
        ):
            better, worse = ranking.places[pair.better], ranking.places[pair.worse]
            counts[better, worse] += pair.target
            if pair.target < 1:
                counts[worse, better] += 1 - pair.target
    total = sum(counts.values())
    for (better, worse), count in counts.items():
        yield better, worse, count / total
