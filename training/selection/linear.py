"""A linear K-wise model: logistic regression on differences of features, with ridge penalties.

Shapes: M responses, D dense features, W words in use, C comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

from training.backbones.features import FARTHEST
from training.selection.table import FeatureTable, Floats, Numbers

ITERATIONS = 100
TOLERANCE = 1e-5
"""Relative decrease of the loss at which a fit ends."""
PAIRS_KEPT = 5
"""Steps that L-BFGS remembers."""
FEWEST_TEXTS = 2
"""Texts that have a word, for it to count."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """Hold the standard deviation that each part's weights are expected to have; 0 leaves it out.

    It is the ridge penalty in other words: a Gaussian prior, which does not depend on how many
    rankings there are.
    """

    named: float = 0.0
    words: float = 0.0
    embedded: float = 0.0


class Design:
    """Hold a table's features as the linear model takes them: scaled, and words as TF-IDF."""

    def __init__(self, table: FeatureTable) -> None:
        self.table = table
        self.named = Scaler(table.named_MF)
        dense = [self.named.scaled(table.named_MF)]
        self.embedded: Scaler | None = None
        if table.embedded_ME is not None:
            self.embedded = Scaler(table.embedded_ME)
            # The penalty of a part does not depend on how many features it has.
            dense.append(
                self.embedded.scaled(table.embedded_ME) / table.embedded_ME.shape[1] ** 0.5
            )
        self.dense_MD = np.concatenate(dense, axis=1)
        self.idf = inverse_frequencies(table.words_MW)
        self.used = np.flatnonzero(self.idf)
        weighted = table.words_MW[:, self.used] @ _diagonal(self.idf[self.used])
        lengths = np.sqrt(weighted.multiply(weighted).sum(axis=1))
        self.words_MW: csr_array = csr_array(
            _diagonal(1 / np.maximum(lengths, 1e-12)) @ weighted, dtype=np.float32
        )
        self._transposed = self.words_MW.T.tocsr()

    def scales(self, strengths: Strengths) -> NDArray[np.float64]:
        """Return the expected standard deviation of each weight (D + W,)."""
        named, whole = self.table.named_MF.shape[1], self.dense_MD.shape[1]
        return np.repeat(
            [strengths.named, strengths.embedded, strengths.words],
            [named, whole - named, len(self.used)],
        )

    def rewards(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rewards (M,) of all responses, given the weights (D + W,)."""
        D = self.dense_MD.shape[1]
        rewards_M = self.dense_MD @ weights[:D].astype(np.float32)
        if weights[D:].any():
            rewards_M = rewards_M + self.words_MW @ weights[D:].astype(np.float32)
        return rewards_M.astype(np.float64)

    def gradient(self, pulls_M: NDArray[np.floating], *, words: bool) -> NDArray[np.float64]:
        """Return the gradient (D + W,) of the weights, given that of the rewards (M,)."""
        pulls = pulls_M.astype(np.float32)
        dense = pulls @ self.dense_MD
        sparse = self._transposed @ pulls if words else np.zeros(len(self.used))
        return np.concatenate([dense, sparse]).astype(np.float64)

    def fit(
        self,
        strengths: Strengths,
        rows_C: NDArray[np.bool_] | None = None,
        start: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the weights (D + W,) that the marked comparisons give, or all of them.

        A prompt counts once, however many rankings it has.
        """
        table = self.table
        every = slice(None) if rows_C is None else rows_C
        better_C, worse_C = table.better_C[every], table.worse_C[every]
        weight_C, M = table.weight_C[every], len(table.prompt_M)
        scales = self.scales(strengths)

        def loss_and_gradient(scaled: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            rewards_M = self.rewards(scaled * scales)
            margins_C = rewards_M[better_C] - rewards_M[worse_C]
            pulls_C = -expit(-margins_C) * weight_C
            pulls_M = np.bincount(better_C, pulls_C, M).astype(np.float64)
            pulls_M -= np.bincount(worse_C, pulls_C, M)
            loss = weight_C @ np.logaddexp(0.0, -margins_C) + 0.5 * scaled @ scaled
            gradient = self.gradient(pulls_M, words=strengths.words > 0) * scales + scaled
            return float(loss), gradient

        first = np.zeros(len(scales))
        if start is not None:
            np.divide(start, scales, out=first, where=scales > 0)
        found = minimize(
            loss_and_gradient,
            first,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": ITERATIONS, "ftol": TOLERANCE, "maxcor": PAIRS_KEPT},
        )
        weights: NDArray[np.float64] = found.x * scales
        return weights


class Scaler:
    """Hold the mean and the standard deviation of features (F,)."""

    def __init__(self, features_MF: Floats) -> None:
        self.mean_F = features_MF.mean(axis=0, dtype=np.float64).astype(np.float32)
        std_F = features_MF.std(axis=0, dtype=np.float64).astype(np.float32)
        self.std_F = np.where(std_F > 1e-6, std_F, np.float32(1))

    def scaled(self, features_MF: Floats) -> Floats:
        """Return the features in standard deviations from the mean, at most FARTHEST."""
        return np.clip((features_MF - self.mean_F) / self.std_F, -FARTHEST, FARTHEST)


def inverse_frequencies(words_MW: csr_array) -> Floats:
    """Return the inverse document frequency (W,) of each bucket, 0 for rare ones.

    It is smoothed as scikit-learn's is.
    """
    M, buckets = words_MW.shape
    texts_W: Numbers = np.bincount(words_MW.indices, minlength=buckets)
    found = np.log((1 + M) / (1 + texts_W)) + 1
    return np.where(texts_W >= FEWEST_TEXTS, found, 0).astype(np.float32)


def _diagonal(values: NDArray[np.floating]) -> csr_array:
    size = len(values)
    return csr_array((values, np.arange(size), np.arange(size + 1)), shape=(size, size))
