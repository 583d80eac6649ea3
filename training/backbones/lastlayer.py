"""Compute the features that a reward is linear in: the last hidden state and the linear parts'.

Shapes: B responses, F features, W words in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack
from sklearn.preprocessing import normalize

from training.backbones.backbone import Backbone
from training.backbones.features import PodiumFeaturesForSequenceClassification, Vocabulary, Words
from training.backbones.textfeatures import Text, features, word_counts
from training.data.examples import Example, Tokens


@dataclass(frozen=True, slots=True)
class LastLayer:
    """Hold the weights of a model's last layer, and compute the features that they belong to."""

    backbone: Backbone
    weights: dict[str, NDArray[np.float64]]
    """Weights by part, in the order of their features."""

    @classmethod
    def of(cls, backbone: Backbone) -> Self | None:
        """Return the last layer of a model, or None if its reward is linear in nothing."""
        found = {}
        model = backbone.model
        if isinstance(model, PodiumFeaturesForSequenceClassification):
            found["named"] = as_array(model.named.weight)
            if model.words is not None:
                found["words"] = as_array(model.words.weight)[used(model.words)]
            if model.embedded is not None:
                found["embedded"] = as_array(model.embedded.weight)
            if model.scored is not None:
                found["scored"] = as_array(model.scored.weight)
        head = backbone.head_weights()
        if head is not None:
            found["network"] = as_array(head)
        return cls(backbone, found) if found else None

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of features of each part."""
        return {name: len(weights) for name, weights in self.weights.items()}

    @torch.no_grad()
    def read(self, examples: Sequence[Example]) -> tuple[NDArray[np.float64], csr_array]:
        """Return the rewards (B,) and the features (B, F) of all responses, in order."""
        parts = self._linear(examples)
        weights = list(self.weights.values())[: len(parts)]
        rewards_B = np.zeros(sum(len(example.responses) for example in examples))
        for rows_BF, weights_F in zip(parts, weights, strict=True):
            rewards_B += rows_BF @ weights_F
        hidden_BD = self.backbone.last_hidden(examples)
        if hidden_BD is not None:
            rewards_B += as_array(self.backbone.head_rewards(hidden_BD))
            parts.append(csr_array(as_array(hidden_BD)))
        return rewards_B, csr_array(hstack(parts, format="csr"))

    def _linear(self, examples: Sequence[Example]) -> list[csr_array]:
        """Return the features (B, ...) of each linear part of a model that has any."""
        parts: list[csr_array] = []
        model = self.backbone.model
        if isinstance(model, PodiumFeaturesForSequenceClassification):
            prompts: list[Text] = []
            responses: list[Text] = []
            for example in examples:
                asked, answers = texts_of(model.vocabulary, example.prompt, example.responses)
                prompts += [asked] * len(answers)
                responses += answers
            named = torch.tensor(list(map(features, prompts, responses)), device=model.device)
            parts.append(csr_array(as_array(model.named.standardised(named))))
            if model.words is not None:
                parts.append(word_rows(model.words, responses))
            if model.embedder is not None and model.embedded is not None:
                embedded = model.embedded.standardised(model.embedder(prompts, responses))
                parts.append(csr_array(as_array(embedded)))
            if model.scorer is not None and model.scored is not None:
                scored = model.scored.standardised(model.scorer(prompts, responses))
                parts.append(csr_array(as_array(scored)))
        return parts


def as_array(tensor: torch.Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = tensor.detach().double().cpu().numpy()
    return found


def used(words: Words) -> NDArray[np.int64]:
    """Return the buckets of words that have been seen in training."""
    return np.flatnonzero(words.idf.cpu().numpy())


def texts_of(
    vocabulary: Vocabulary, prompt: Tokens, responses: Sequence[Tokens]
) -> tuple[Text, list[Text]]:
    """Return the texts of a prompt and of its responses, as the model reads them."""
    return vocabulary.prompt(prompt), [Text(vocabulary.text(tokens)) for tokens in responses]


def word_rows(words: Words, responses: Sequence[Text]) -> csr_array:
    """Return the TF-IDF vectors (B, W) of responses, which have length 1."""
    idf = as_array(words.idf)
    counts = count_table([word_counts(text, len(idf)) for text in responses], len(idf))
    return csr_array(normalize(csr_array(counts.multiply(idf)))[:, used(words)])


def count_table(
    counted: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]], buckets: int
) -> csr_array:
    """Return what word_counts gave for each text as a table, with a row for each."""
    places, counts = zip(*counted, strict=True)
    ends = np.cumsum([0, *map(len, places)])
    return csr_array(
        (np.concatenate(counts), np.concatenate(places), ends), shape=(len(counted), buckets)
    )
