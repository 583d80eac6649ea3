"""The choice among linear models by cross-validation over the prompts of the training side.

Shapes: M responses, C comparisons, Q prompts.
"""
# ruff: noqa: N815 - shapes in names

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from training.selection.bootstrap import Sums
from training.selection.linear import Design, Strengths
from training.selection.table import FeatureTable

FOLDS = 5
SEED = 0
NAMED = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Strengths that are tried for the named features; below, for the words, the embeddings and the
score of a reward model."""
WORDS = (0.3, 1.0, 3.0, 10.0)
EMBEDDED = (1.0, 3.0, 10.0)
SCORED = (0.3, 1.0, 3.0)
SIGNIFICANT = 0.05
FIGURES = ("log_loss", "accuracy", "gain", "log_loss_gain")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hold what cross-validation found of one linear model."""

    strengths: Strengths
    rewards_M: NDArray[np.float64]
    """Rewards of all responses, each by the model that did not see the prompt."""
    margins_C: NDArray[np.float64]
    """Reward of the better response above the worse, of each comparison."""

    @property
    def parts(self) -> list[str]:
        """Return the names of the parts that the model has."""
        return [name for name, strength in asdict(self.strengths).items() if strength]


@dataclass(frozen=True, slots=True)
class Choice:
    """Hold the candidates of a choice, each part at its best strength, from simple to rich."""

    table: FeatureTable
    candidates: list[Candidate]

    @property
    def chosen(self) -> Candidate:
        return best(self.table, self.candidates)

    def to_json(self) -> dict[str, Any]:
        """Return the choice for manifest.json; in its figures each prompt counts once.

        Each has its interval over prompts. `gain` and `log_loss_gain` are the lead of the chosen
        model in accuracy and in log loss, paired.
        """
        chosen, sums = self.chosen, Sums(self._by_prompt())
        return {
            "prompts": self.table.prompts,
            "comparisons": len(self.table.weight_C),
            "chosen": chosen.parts,
            "candidates": [
                {
                    "parts": candidate.parts,
                    "strengths": asdict(candidate.strengths),
                    **{
                        key: value
                        for name in FIGURES
                        for key, value in sums.ratio(name, f"{name} {place}", "weight").items()
                    },
                }
                for place, candidate in enumerate(self.candidates)
            ],
        }

    def _by_prompt(self) -> pd.DataFrame:
        """Return the sums of all figures of all candidates by prompt, and the weight of each."""
        table, chosen = self.table, self.chosen
        right_Q, loss_Q = agreed_by_prompt(table, chosen), loss_by_prompt(table, chosen)
        columns: dict[str, NDArray[Any]] = {
            "weight": np.bincount(table.prompt_C, table.weight_C, table.prompts)
        }
        for place, candidate in enumerate(self.candidates):
            agreed_Q = agreed_by_prompt(table, candidate)
            losses_Q = loss_by_prompt(table, candidate)
            figures = (losses_Q, agreed_Q, right_Q - agreed_Q, losses_Q - loss_Q)
            columns |= {
                f"{name} {place}": values_Q for name, values_Q in zip(FIGURES, figures, strict=True)
            }
        return pd.DataFrame(columns)


def choose(
    table: FeatureTable,
    tick: Callable[[], None] = lambda: None,
    *,
    must_embed: bool = False,
) -> Choice:
    """Return the candidates for a table, found one part after another.

    The named features are in all of them, and with `must_embed` the embeddings. `tick` is called
    after each candidate.
    """
    validator = Validator(Design(table), tick)

    def best_of(tried: Iterator[Strengths]) -> Candidate:
        return best(table, map(validator.validate, tried))

    named = best_of(Strengths(named=strength) for strength in NAMED)
    words = best_of(replace(named.strengths, words=strength) for strength in WORDS)
    found = [named, words]
    if table.embedded_ME is not None:
        embedded = [
            best_of(replace(each.strengths, embedded=strength) for strength in EMBEDDED)
            for each in found
        ]
        found = embedded if must_embed else found + embedded
    if table.scored_M1 is not None:
        found += [
            best_of(replace(each.strengths, scored=strength) for strength in SCORED)
            for each in found
        ]
    return Choice(table, found)


def count_candidates(table: FeatureTable, *, must_embed: bool = False) -> int:
    """Return how many models are tried for a table."""
    embedded = 0 if table.embedded_ME is None else 2
    scored = 0 if table.scored_M1 is None else embedded + (0 if must_embed else 2)
    return len(NAMED) + len(WORDS) + embedded * len(EMBEDDED) + scored * len(SCORED)


class Validator:
    """Cross-validate linear models on the same folds."""

    def __init__(self, design: Design, tick: Callable[[], None]) -> None:
        self.design = design
        self.tick = tick
        prompts = design.table.prompts
        self.folds_Q = np.random.default_rng(SEED).permutation(prompts) % FOLDS
        self._start: dict[int, NDArray[np.float64]] = {}

    def validate(self, strengths: Strengths) -> Candidate:
        """Return what models with these strengths make of the prompts that they did not see."""
        table = self.design.table
        rewards_M = np.zeros(len(table.prompt_M))
        for fold in range(FOLDS):
            # The solution before is close, and the problem is convex.
            others_C = self.folds_Q[table.prompt_C] != fold
            weights = self.design.fit(strengths, others_C, self._start.get(fold))
            self._start[fold] = weights
            rows_M = self.folds_Q[table.prompt_M] == fold
            rewards_M[rows_M] = self.design.rewards(weights)[rows_M]
        self.tick()
        margins_C = rewards_M[table.better_C] - rewards_M[table.worse_C]
        return Candidate(strengths, rewards_M, margins_C)


def best(table: FeatureTable, candidates: Iterable[Candidate]) -> Candidate:
    """Return the best candidate; a simpler one, which comes first, where that is not sure.

    A later one must lower the log loss of the prompts in a one-sided paired t-test.
    """
    found, *others = candidates
    for other in others:
        gain_Q = loss_by_prompt(table, found) - loss_by_prompt(table, other)
        Q = len(gain_Q)
        if Q > 1 and gain_Q.mean() > t.isf(SIGNIFICANT, Q - 1) * gain_Q.std(ddof=1) / Q**0.5:
            found = other
    return found


def loss_by_prompt(table: FeatureTable, candidate: Candidate) -> NDArray[np.float64]:
    """Return the log loss (Q,) of each prompt's comparisons."""
    losses_C = np.logaddexp(0.0, -candidate.margins_C) * table.weight_C
    return np.bincount(table.prompt_C, losses_C, table.prompts).astype(float)


def agreed_by_prompt(table: FeatureTable, candidate: Candidate) -> NDArray[np.float64]:
    """Return the weight (Q,) of each prompt's comparisons that a candidate gets right."""
    right_C = np.heaviside(candidate.margins_C, 0.5) * table.weight_C
    return np.bincount(table.prompt_C, right_C, table.prompts).astype(float)
