"""Simulated comparisons with a known truth."""

import math
from collections.abc import Sequence

import numpy as np

from labelapp.reviewing.davidson import probabilities
from labelapp.reviewing.leaderboard import SourceRecorder
from labelapp.reviewing.records import ScoredPrompt, ScoredResponse
from training.rankings import Identifier, Ranking
from training.runs.outcomes import OutcomeModel


def simulate(
    strengths: dict[str, float],
    *,
    prompts: int,
    nu: float,
    seed: int,
    length_effect: float = 0.0,
    log_lengths: dict[str, float] | None = None,
    labellers: int = 2,
) -> SourceRecorder:
    """Return two responses a prompt, of random sources, which people compare as Davidson says.

    The rewards are those strengths; lengths are drawn around the mean log length of the source.
    """
    random = np.random.default_rng(seed)
    recorder = SourceRecorder(OutcomeModel())
    names = sorted(strengths)
    for prompt in range(1, prompts + 1):
        pair = [names[i] for i in random.choice(len(names), size=2, replace=False)]
        lengths = [
            max(1, round(math.exp(random.normal((log_lengths or {}).get(name, 5.0), 0.4))))
            for name in pair
        ]
        lead = strengths[pair[0]] - strengths[pair[1]]
        lead += length_effect * math.log(lengths[0] / lengths[1])
        odds = [float(p[0]) for p in probabilities(np.array([lead]), nu)]
        outcomes: Sequence[int] = random.choice(3, size=labellers, p=odds).tolist()
        keys: list[Identifier] = [2 * prompt, 2 * prompt + 1]
        recorder.record(
            ScoredPrompt(
                prompt=prompt,
                held_out=True,
                responses={
                    key: ScoredResponse(name, length, length // 5, strengths[name])
                    for key, name, length in zip(keys, pair, lengths, strict=True)
                },
                rankings=[
                    (member, Ranking(tuple(keys), [(1, 2), (2, 1), (1, 1)][outcome]))
                    for member, outcome in enumerate(outcomes, start=1)
                ],
            ),
            of_model=True,
        )
    return recorder
