"""Estimate how sure a model is of its rewards, by a Laplace approximation of its last layer.

The reward is linear in the features of the last layer. Their weights w have a Gaussian posterior
(MacKay 1992, Neural Computation 4 (3), pages 448-472; of a network's last layer: Daxberger et al.,
arXiv 2106.14806). With the prior precision P and the Hessian H of the loss on the training
comparisons, which is the sum of weight * p * (1 - p) * d d^T over the differences d of features,
the covariance of the weights is

    (H + P)^-1 (f H + s P) (H + P)^-1

The comparisons of a ranking are not independent, and the weights of a prompt's comparisons add up
to 1 in the loss, whatever they tell. So f, the overdispersion, is measured: it is the variance of
the gradients of whole prompts over what independent comparisons would give. Without it, intervals
of simulated rankings cover 100 % instead of 95 % (tests/training/evaluation/test_posterior.py).

For the same reason, the prior with which the weights were fitted is not their own: the comparisons
told 1 / f times as much as the loss says. Where cross-validation chose the prior that predicts
best, the weights have f times its variance, so that s is f and the covariance f (H + P)^-1. It is
more where the squares of the fitted weights, in the directions of which something was learned, add
up to more.

Only differences of rewards within a prompt are identified, and only of these are there variances.

Shapes: B responses, F features, C comparisons, E directions of the weights.
"""
# ruff: noqa: N815 - shapes in names

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.utils.extmath import randomized_svd

from training.errors import UserError
from training.sentences import Sentence, sentence

FILE = "posterior.safetensors"
FOLDER = "intervals"
"""Folder in a model's folder; files beside the model's own would be loaded as its weights."""
MOST_DIRECTIONS = 256
"""Directions of the weights of which something has been learned that are kept."""
LEAST_SIZE = 1e-4
"""Variance of weights, in units of the prior's, at least: no interval is of width 0."""
LEAST_LEARNED = 1e-3
"""Information on a direction, in units of the prior's, below which it is left out."""
INTERVAL = 1.96
"""Standard deviations on either side of a mean in its 95 % interval."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Posterior:
    """Hold the covariance of the weights: the prior's, less what comparisons have told.

    It is S (I - U diag(known) U^T) S, with S the standard deviations of the prior.
    """

    scales_F: Floats
    directions_FE: Floats
    known_E: Floats
    """Share of the prior variance in each direction that the comparisons have removed."""

    def covariance(self, rows_BF: csr_array) -> Floats:
        """Return the covariance (B, B) of rewards, of which only differences mean anything."""
        scaled_BF = csr_array(rows_BF.multiply(self.scales_F))
        along_BE = scaled_BF @ self.directions_FE
        found: Floats = (scaled_BF @ scaled_BF.T).toarray() - (along_BE * self.known_E) @ along_BE.T
        return found

    def save(self, folder: Path) -> None:
        (folder / FOLDER).mkdir()
        tensors = {
            "scales": self.scales_F.astype(np.float32),
            "directions": np.ascontiguousarray(self.directions_FE.astype(np.float32)),
            "known": self.known_E.astype(np.float32),
        }
        save_file(tensors, folder / FOLDER / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the posterior of a model's folder, or None if there is none.

        Raises UserError for a damaged file.
        """
        path = folder / FOLDER / FILE
        if not path.is_file():
            return None
        try:
            found = {name: value.astype(float) for name, value in load_file(path).items()}
            posterior = cls(found["scales"], found["directions"], found["known"])
        except (OSError, SafetensorError, KeyError) as error:
            raise UserError(damaged(path)) from error
        if posterior.directions_FE.shape != (len(posterior.scales_F), len(posterior.known_E)):
            raise UserError(damaged(path))
        return posterior


def damaged(path: Path) -> Sentence:
    """Return what to say of a file that cannot be read."""
    return sentence("%(path)s is damaged; copy it again, or train again", path=str(path))


def differences(covariance_BB: Floats) -> Floats:
    """Return the variance (B, B) of the difference of each pair of rewards."""
    own_B = np.diagonal(covariance_BB)
    found: Floats = np.maximum(own_B[:, None] + own_B[None, :] - 2 * covariance_BB, 0.0)
    return found


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Hold the differences of features of some comparisons, the better response less the worse."""

    differences_CF: csr_array
    weight_C: Floats
    prompt_C: NDArray[np.int64]

    def curvature(self, weights_F: Floats) -> Floats:
        """Return weight * p * (1 - p) of each comparison."""
        p_C = self.losing(weights_F)
        return self.weight_C * p_C * (1 - p_C)

    def losing(self, weights_F: Floats) -> Floats:
        """Return the probability (C,) that the model gives to the opposite of each comparison."""
        found: Floats = expit(-(self.differences_CF @ weights_F))
        return found


def fit(
    learned: Comparisons,
    held_out: Comparisons,
    weights_F: Floats,
    scales_F: Floats,
    *,
    factor: float = 1.0,
    is_ridge: bool = True,
) -> tuple[Posterior, float]:
    """Return the posterior of weights, and the overdispersion, which the held-out ones tell.

    Args:
        scales_F: standard deviations of the prior; only their proportions if not `is_ridge`.
        factor: the number of prompts learned from over that of the `learned` ones.
        is_ridge: True for weights that were fitted with this prior. Those of a network were not:
            theirs is the one with the highest marginal likelihood.
    """
    root_C = np.sqrt(factor * learned.curvature(weights_F))
    rows_CF = csr_array(learned.differences_CF.multiply(scales_F).multiply(root_C[:, None]))
    values_E, directions_FE = eigen(rows_CF)
    test_CF = csr_array(held_out.differences_CF.multiply(scales_F))
    if is_ridge:
        spread = overdispersion(held_out, weights_F, test_CF, values_E, directions_FE)
        along_E = directions_FE.T @ (weights_F / scales_F)
        size = max(spread, prior_size(along_E, values_E, spread), LEAST_SIZE)
        variance_E = (spread * values_E / size + 1) / (1 + values_E) ** 2
        return Posterior(scales_F * size**0.5, directions_FE, 1 - variance_E), spread
    strength, spread = 1.0, 1.0
    size = float(((weights_F / scales_F) ** 2).sum())
    for _ in range(3):  # each depends on the other
        scaled_E = strength**2 * values_E / spread
        spread = overdispersion(held_out, weights_F, test_CF, scaled_E, directions_FE)
        strength = prior_strength(size, values_E / spread)
    told_E = strength**2 * values_E / spread
    return Posterior(scales_F * strength, directions_FE, told_E / (1 + told_E)), spread


def eigen(rows_CF: csr_array) -> tuple[Floats, Floats]:
    """Return the largest eigenvalues (E,) of rows^T rows, and their directions (F, E)."""
    C, F = rows_CF.shape
    if min(C, F) <= 4 * MOST_DIRECTIONS:
        gram = (rows_CF @ rows_CF.T if C < F else rows_CF.T @ rows_CF).toarray()
        values, vectors = np.linalg.eigh(gram)
        places = np.argsort(-values)[:MOST_DIRECTIONS]
        places = places[values[places] > LEAST_LEARNED]
        values, vectors = values[places], vectors[:, places]
        return values, (rows_CF.T @ vectors) / np.sqrt(values) if C < F else vectors
    _, roots, directions_EF = randomized_svd(rows_CF, MOST_DIRECTIONS, n_iter=3, random_state=0)
    told = roots**2 > LEAST_LEARNED
    return roots[told] ** 2, directions_EF[told].T


def overdispersion(
    held_out: Comparisons,
    weights_F: Floats,
    scaled_CF: csr_array,
    values_E: Floats,
    directions_FE: Floats,
) -> float:
    """Return the variance of prompts' gradients over that of as many independent comparisons.

    Both are weighted with (H + P)^-1, so that a direction counts as far as it matters. It is 1, as
    if all were independent, where there is nothing to measure it by.
    """
    if not len(held_out.weight_C):
        return 1.0
    left_E = 1 - 1 / (1 + values_E)
    losing_C, curvature_C = held_out.losing(weights_F), held_out.curvature(weights_F)

    def weighted(rows: csr_array) -> Floats:
        squares = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
        found: Floats = squares - ((rows @ directions_FE) ** 2) @ left_E
        return found

    pulls_C = held_out.weight_C * losing_C
    C, Q = len(pulls_C), int(held_out.prompt_C.max()) + 1
    sums_QC = csr_array((pulls_C, (held_out.prompt_C, np.arange(C))), shape=(Q, C))
    expected = float(curvature_C @ weighted(scaled_CF))
    return float(weighted(csr_array(sums_QC @ scaled_CF)).sum()) / max(expected, 1e-12)


def prior_size(weights_E: Floats, values_E: Floats, spread: float) -> float:
    """Return the variance of true weights (E,) in units of the prior's, given the fitted ones.

    The square of a fitted weight is, in expectation, (size value^2 + spread value) / (1 + value)^2.
    A standard error is added, because few weights may all happen to be small.
    """
    kept_E = values_E / (1 + values_E)
    squares_E = kept_E**2
    noise = spread * float((kept_E / (1 + values_E)).sum())
    total = max(float(squares_E.sum()), 1e-12)
    found = (float((weights_E**2).sum()) - noise) / total
    error = math.sqrt(2 * float((squares_E**2).sum())) / total
    return found * (1 + error)


def prior_strength(size: float, values_E: Floats) -> float:
    """Return the standard deviation s with the highest marginal likelihood of weights.

    Its logarithm is, but for a constant, -size / (2 s^2) - sum(log(1 + s^2 value)) / 2.
    """
    tried = np.logspace(-4, 4, 321)
    penalties = np.log1p(tried[:, None] ** 2 * values_E).sum(axis=1)
    return float(tried[np.argmin(size / tried**2 + penalties)])
