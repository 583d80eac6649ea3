"""A linear K-wise model: logistic regression on differences of features, with ridge penalties.

Shapes: M responses, F features of all parts, W words in use, E features of embeddings, C
comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array, hstack
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import StandardScaler

from training.backbones.features import FARTHEST
from training.backbones.textfeatures import FEATURES
from training.selection.table import FeatureTable, Floats, Numbers

ITERATIONS = 200
TOLERANCE = 1e-5
"""Relative decrease of the loss at which a fit ends."""
PAIRS_KEPT = 5
"""Steps that L-BFGS remembers."""
FEWEST_TEXTS = 2
"""Texts that have a word, for it to count."""
LENGTH = FEATURES.index("log characters")
LENGTH_MEAN, LENGTH_STD = 0.5, 0.5
"""Expected weight of the logarithm of the length, and its standard deviation.

People preferred longer responses in most sets of rankings that were looked at, so a few rankings
are not left to find that out (docs/experiments.md).
"""

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Strengths:
    """Hold the standard deviation that each part's weights are expected to have; 0 leaves it out.

    It is the ridge penalty in other words: a Gaussian prior, which does not depend on how many
    rankings there are. The weight of the length has a prior of its own.
    """

    named: float = 0.0
    words: float = 0.0
    embedded: float = 0.0
    scored: float = 0.0


class Design:
    """Hold a table's features as the linear model takes them: scaled, and words as TF-IDF."""

    def __init__(self, table: FeatureTable) -> None:
        self.table = table
        self.named = StandardScaler().fit(table.named_MF)
        self.embedded: StandardScaler | None = None
        self.scored: StandardScaler | None = None
        texts_W = np.bincount(table.words_MW.indices, minlength=table.words_MW.shape[1])
        self.used: Numbers = np.flatnonzero(texts_W >= FEWEST_TEXTS)
        if not len(self.used):
            self.used = np.zeros(1, np.int64)
        words_MW = table.words_MW[:, self.used]
        self.tfidf = TfidfTransformer().fit(words_MW)
        parts = {
            "named": csr_array(scaled(self.named, table.named_MF)),
            "words": self.tfidf.transform(words_MW),
        }
        if table.embedded_ME is not None:
            self.embedded = StandardScaler().fit(table.embedded_ME)
            # The penalty of a part does not depend on how many features it has.
            share = table.embedded_ME.shape[1] ** -0.5
            parts["embedded"] = csr_array(scaled(self.embedded, table.embedded_ME) * share)
        if table.scored_M1 is not None:
            self.scored = StandardScaler().fit(table.scored_M1)
            parts["scored"] = csr_array(scaled(self.scored, table.scored_M1))
        self.sizes = {name: part.shape[1] for name, part in parts.items()}
        self.features_MF: csr_array = hstack(list(parts.values()), format="csr", dtype=np.float32)

    def parts(self, weights: Weights) -> dict[str, Weights]:
        """Return the weights of each part, of those (F,) of all."""
        found = np.split(weights, np.cumsum(list(self.sizes.values()))[:-1])
        return dict(zip(self.sizes, found, strict=True))

    def rewards(self, weights: Weights) -> NDArray[np.float64]:
        """Return the rewards (M,) of all responses."""
        return rewards(self.features_MF, weights)

    def fit(
        self,
        strengths: Strengths,
        rows_C: NDArray[np.bool_] | slice = slice(None),
        start: Weights | None = None,
    ) -> Weights:
        """Return the weights (F,) that the marked comparisons give, or all of them."""
        table = self.table
        by_part = [getattr(strengths, name) for name in self.sizes]
        scales = np.repeat(by_part, list(self.sizes.values()))
        named = self.sizes["named"]
        scales[:named] = prior_scales(named, strengths.named, self.named.scale_)
        means = np.zeros(len(scales))
        means[LENGTH] = LENGTH_MEAN * self.named.scale_[LENGTH]
        return fit(
            self.features_MF,
            table.better_C[rows_C],
            table.worse_C[rows_C],
            table.weight_C[rows_C],
            scales=scales,
            means=means,
            start=start,
        )


def prior_scales(size: int, strength: float, units: Any) -> Weights:
    """Return the standard deviations that the weights of the named features are expected to have.

    `units` are the standard deviations of the features themselves.
    """
    found = np.full(size, strength)
    found[LENGTH] = LENGTH_STD * float(units[LENGTH])
    return found


def scaled(scaler: StandardScaler, features_MF: Floats) -> Floats:
    """Return the features in standard deviations from the mean, at most FARTHEST."""
    return np.clip(scaler.transform(features_MF), -FARTHEST, FARTHEST)


def rewards(features_MF: csr_array, weights: Weights) -> NDArray[np.float64]:
    """Return the rewards (M,) that the weights (F,) give."""
    found: NDArray[np.float64] = (features_MF @ weights.astype(features_MF.dtype)).astype(float)
    return found


def fit(
    features_MF: csr_array,
    better_C: Numbers,
    worse_C: Numbers,
    weight_C: NDArray[np.float64],
    *,
    scales: Weights,
    means: Weights | None = None,
    start: Weights | None = None,
    tolerance: float = TOLERANCE,
) -> Weights:
    """Return the weights (F,) of a logistic regression on differences of features.

    They minimise the sum of -weight log sigmoid(r_better - r_worse), and half of the sum of
    ((weight - mean) / scale)^2, where a scale of 0 stands for a weight of 0. The C differences are
    never written out, because a ranking of nine has 36 of them.
    """
    M, used = features_MF.shape[0], np.flatnonzero(scales)
    features_MF, scale = features_MF[:, used], scales[used]
    mean = np.zeros(len(used)) if means is None else means[used]

    def loss_and_gradient(scaled_F: Weights) -> tuple[float, Weights]:
        rewards_M = rewards(features_MF, scaled_F * scale + mean)
        margins_C = rewards_M[better_C] - rewards_M[worse_C]
        pulls_C = -expit(-margins_C) * weight_C
        pulls_M = np.bincount(better_C, pulls_C, M).astype(float)
        pulls_M -= np.bincount(worse_C, pulls_C, M)
        gradient_F = (features_MF.T @ pulls_M.astype(features_MF.dtype)) * scale + scaled_F
        loss = weight_C @ np.logaddexp(0.0, -margins_C) + 0.5 * scaled_F @ scaled_F
        return float(loss), gradient_F.astype(float)

    first_F = np.zeros(len(used)) if start is None else (start[used] - mean) / scale
    found = minimize(
        loss_and_gradient,
        first_F,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "ftol": tolerance, "maxcor": PAIRS_KEPT},
    )
    weights = np.zeros(len(scales))
    weights[used] = found.x * scale + mean
    return weights
