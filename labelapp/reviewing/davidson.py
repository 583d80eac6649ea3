"""Fit strengths to the outcomes of comparisons: wins, losses and ties.

Shapes: R rows of outcomes, S sources, F features (one for each source, and the length if given).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

PRIOR = 0.01
"""Inverse variance of a normal prior on each parameter: it leaves the data to speak, and gives a
source that won or lost everything a finite strength."""
MOST_STEPS = 60
LONGEST_STEP = 2.0
TOLERANCE = 1e-7

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """Counts (R,) of wins of the first source of each row, of its losses and of ties."""

    wins: Floats
    losses: Floats
    ties: Floats

    @property
    def total(self) -> Floats:
        return self.wins + self.losses + self.ties


@dataclass(frozen=True)
class Fit:
    """The parameters of a fitted model."""

    strengths: Floats  # (S,), log-odds; their mean is 0
    length: float  # log-odds for each unit of the covariate; 0 without one
    log_nu: float  # -inf without ties

    @classmethod
    def start(cls, sources: int) -> Self:
        return cls(np.zeros(sources), 0.0, 0.0)


def design(
    first_R: Integers, second_R: Integers, sources: int, covariate_R: Floats | None = None
) -> Floats:
    """Return the features (R, F) of rows: +1 for the first source, -1 for the second."""
    found_RF = np.zeros((len(first_R), sources + (covariate_R is not None)))
    rows_R = np.arange(len(first_R))
    found_RF[rows_R, first_R] += 1.0
    found_RF[rows_R, second_R] -= 1.0
    if covariate_R is not None:
        found_RF[:, -1] = covariate_R
    return found_RF


def probabilities(leads_R: Floats, nu: float) -> tuple[Floats, Floats, Floats]:
    """Return the probabilities (R,) of a win, a loss and a tie, given log-odds."""
    scale_R = np.abs(leads_R) / 2  # keeps the exponents at or below 0
    win_R = np.exp(leads_R / 2 - scale_R)
    loss_R = np.exp(-leads_R / 2 - scale_R)
    tie_R = nu * np.exp(-scale_R)
    total_R = win_R + loss_R + tie_R
    return win_R / total_R, loss_R / total_R, tie_R / total_R


def fit(features_RF: Floats, outcomes: Outcomes, sources: int, start: Fit | None = None) -> Fit:
    """Return the most probable strengths, by Newton's method.

    The model is Davidson's (1970, Journal of the American Statistical Association 65 (329), pages
    317-328) extension of Bradley and Terry (1952) to ties: a win, a tie and a loss are in the
    proportion e^(lead/2), nu and e^(-lead/2), where

        lead = strength of the first - strength of the second + b x.

    The covariate x, if there is one, makes it the regression of Springall (1973, Applied
    Statistics 22 (1), pages 59-68): the strengths are then those at x = 0. The log-likelihood is
    concave, and the prior makes its maximum unique, with strengths whose mean is 0.
    """
    begin = start or Fit.start(sources)
    has_ties = bool(outcomes.ties.any())
    has_length = features_RF.shape[1] > sources
    beta_F = np.append(begin.strengths, begin.length) if has_length else begin.strengths.copy()
    eta = begin.log_nu if has_ties and np.isfinite(begin.log_nu) else 0.0
    for _ in range(MOST_STEPS):
        step = newton_step(features_RF, outcomes, beta_F, eta, has_ties)
        step *= min(1.0, LONGEST_STEP / max(1e-12, float(np.abs(step).max())))
        beta_F, eta = beta_F + step[:-1], eta + float(step[-1])
        if np.abs(step).max() < TOLERANCE:
            break
    return Fit(
        strengths=beta_F[:sources],
        length=float(beta_F[-1]) if has_length else 0.0,
        log_nu=eta if has_ties else -np.inf,
    )


def newton_step(
    features_RF: Floats, outcomes: Outcomes, beta_F: Floats, eta: float, has_ties: bool
) -> Floats:
    """Return Newton's step (F + 1,) for the features' parameters and the logarithm of nu."""
    nu = float(np.exp(eta)) if has_ties else 0.0
    win_R, loss_R, tie_R = probabilities(features_RF @ beta_F, nu)
    total_R, balance_R = outcomes.total, win_R - loss_R
    score_R = (outcomes.wins - outcomes.losses - total_R * balance_R) / 2
    gradient = np.append(
        features_RF.T @ score_R - PRIOR * beta_F,
        float((outcomes.ties - total_R * tie_R).sum()) - PRIOR * eta if has_ties else 0.0,
    )
    own_R = total_R * (win_R + loss_R - balance_R**2) / 4
    across_R = -total_R * balance_R * tie_R / 2
    size = len(beta_F)
    hessian = np.zeros((size + 1, size + 1))
    hessian[:size, :size] = features_RF.T @ (own_R[:, None] * features_RF)
    hessian[:size, size] = hessian[size, :size] = features_RF.T @ across_R
    hessian[size, size] = float((total_R * tie_R * (1 - tie_R)).sum())
    hessian += PRIOR * np.eye(size + 1)
    return np.asarray(np.linalg.solve(hessian, gradient))


def expected_wins(found: Fit) -> Floats:
    """Return the share (S,) of comparisons that each source wins against the others, on average.

    Each of the other sources counts equally, and a tie counts one half.
    """
    strengths_S = found.strengths
    if len(strengths_S) < 2:
        return np.full(len(strengths_S), 0.5)
    leads_SS = strengths_S[:, None] - strengths_S[None, :]
    win_R, _, tie_R = probabilities(leads_SS.ravel(), float(np.exp(found.log_nu)))
    shares_SS = (win_R + tie_R / 2).reshape(leads_SS.shape)
    np.fill_diagonal(shares_SS, 0.0)
    return np.asarray(shares_SS.sum(axis=1) / (len(strengths_S) - 1))
