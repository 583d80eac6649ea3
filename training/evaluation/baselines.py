"""The word-count baseline, which a reward model must beat at least.

A word-count model (TF-IDF and seven simple features, logistic regression on differences of
responses) learns from the training side, and is evaluated on the same comparisons as the model.

Shapes: M responses, F features, C comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler

from training.backbones.textfeatures import LIST_MARK, LONGEST_READ, SIGN, STRESS, WORD
from training.data.dataset import Dataset, Rankings, TokenizedPrompt, TokenizedRanking
from training.rankings import comparisons
from training.selection.linear import fit

RANKINGS_LEARNED = 5000
"""Approximate size of its even sample of the training side: more hardly help, and take memory."""
WORDS_KNOWN = 20_000
STRENGTH = 0.1
"""scikit-learn's C; the best of 0.01 to 3 on three splits of alpaca_eval_judged."""
TOLERANCE = 2.2e-9
"""Relative decrease of the loss at which the fit ends."""
PROMPTS_AT_A_TIME = 64


@dataclass(frozen=True, slots=True)
class WordCounts:
    """Hold a fitted word-count model."""

    vectorizer: TfidfVectorizer
    scaler: StandardScaler
    weights: NDArray[np.float64]
    rankings: int
    """Rankings that it learned from."""

    def rewards(self, prompts: Sequence[TokenizedPrompt]) -> list[list[float]]:
        """Return the rewards of each prompt's responses. The prompts must have their texts."""
        words_MF = self.vectorizer.transform(texts(prompts))
        simple_MF = self.scaler.transform(simple_features(prompts))
        rewards_M = hstack([words_MF, simple_MF], format="csr") @ self.weights
        ends = np.cumsum([len(prompt.texts) for prompt in prompts])
        return [part.tolist() for part in np.split(rewards_M, ends[:-1])]


def count_prompts(dataset: Dataset) -> int:
    """Return the number of prompts that word_count_rewards reads."""
    return dataset.train.count_prompts(stride(dataset.train)) + dataset.held_out.count_prompts()


def word_count_rewards(
    dataset: Dataset, tick: Callable[[int], None] = lambda prompts: None
) -> tuple[dict[str, list[float]], int]:
    """Return the rewards of the held-out side by prompt hash, and the number of rankings used.

    `tick` is called with numbers of prompts that have been read.
    """
    model = learn_word_counts(dataset.train, tick)
    rewards: dict[str, list[float]] = {}
    found = dataset.held_out_prompts()
    while prompts := list(islice(found, PROMPTS_AT_A_TIME)):
        hashes = [prompt.content_hash for prompt in prompts]
        rewards |= zip(hashes, model.rewards(prompts), strict=True)
        tick(len(prompts))
    return rewards, model.rankings


def stride(train: Rankings) -> int:
    """Return n, where every nth prompt of the training side is learned from."""
    return -(-len(train) // RANKINGS_LEARNED)


def learn_word_counts(train: Rankings, tick: Callable[[int], None]) -> WordCounts:
    """Fit the model to the training side, or to a part of its prompts. Texts are read as a stream.

    Each comparison counts once.
    """
    every = stride(train)
    vectorizer = TfidfVectorizer(
        max_features=WORDS_KNOWN, sublinear_tf=True, token_pattern=SIGN.pattern, dtype=np.float32
    )

    def read() -> Iterator[str]:
        for prompt, _ in train.by_prompt(every=every):
            yield from texts([prompt])
            tick(1)

    words_MF = vectorizer.fit_transform(read())
    scaler = StandardScaler()
    simple_MF = scaler.fit_transform(
        [row for prompt, _ in train.by_prompt(every=every) for row in simple_features([prompt])]
    )
    places_C2, rankings = [], 0
    first = 0  # row of the prompt's first response
    for prompt, found in train.by_prompt(every=every, texts=False):
        places_C2 += [pair for ranking in found for pair in compared(ranking, first)]
        rankings += len(found)
        first += len(prompt.responses)
    features_MF = hstack([words_MF, simple_MF.astype(np.float32)], format="csr")
    better_C, worse_C = np.array(places_C2).T
    weights_F = fit(
        features_MF,
        better_C,
        worse_C,
        np.full(len(better_C), STRENGTH),
        scales=np.ones(features_MF.shape[1]),
        tolerance=TOLERANCE,
    )
    return WordCounts(vectorizer, scaler, weights_F, rankings)


def compared(ranking: TokenizedRanking, first: int) -> Iterator[tuple[int, int]]:
    """Yield the rows of the better and the worse response of each comparison."""
    for pair in comparisons(ranking.ranks, groups=ranking.groups):
        yield first + ranking.places[pair.better], first + ranking.places[pair.worse]


def texts(prompts: Sequence[TokenizedPrompt]) -> list[str]:
    """Return the beginnings of the prompts' responses."""
    return [text.strip()[:LONGEST_READ] for prompt in prompts for text in prompt.texts]


def simple_features(prompts: Sequence[TokenizedPrompt]) -> list[list[float]]:
    """Return seven features of each response (M, 7).

    They are characters, words, lines, list marks and marks of code and stress, all as
    log(1 + count); the mean length of a word; and the share of the prompt's words that it repeats.
    """
    rows = []
    for prompt in prompts:
        asked = set()
        for message in prompt.messages or []:
            asked |= set(WORD.findall(message["content"][:LONGEST_READ].lower()))
        for text, characters in zip(texts([prompt]), prompt.characters, strict=True):
            words = WORD.findall(text.lower())
            marks = len(LIST_MARK.findall(text)), len(STRESS.findall(text))
            counts = [characters, len(words), text.count("\n"), *marks]
            rows.append(
                [
                    *np.log1p(counts).tolist(),
                    sum(map(len, words)) / max(1, len(words)),
                    len(asked.intersection(words)) / max(1, len(asked)),
                ]
            )
    return rows
