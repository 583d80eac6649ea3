"""Podium's own dialect: a prompt with its responses, and all that is known of their rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from training.runs.outcomes import Outcome
from training.serving.conversations import NotUnderstoodError
from training.serving.foreign import read_answer, read_asked
from training.serving.items import Item, Scored
from training.serving.request import (
    MESSAGES,
    TEXTS,
    Entries,
    Messages,
    Request,
    answer_item,
    messages_of,
)

if TYPE_CHECKING:
    from training.serving.model import ServedModel

MOST_PAIRED = 64
"""Responses of a request whose pairs have probabilities: there are the square of them."""


class ScoreRequest(Request):
    """POST /score, Podium's own: a prompt with the responses to it."""

    says_invalid: ClassVar[bool] = True

    prompt: str | None = Field(None, description="a text")
    messages: Messages | None = Field(None, description=MESSAGES)
    responses: Entries[str] = Field(min_length=1, description=TEXTS)
    intervals: bool = Field(False, description="true or false")

    @property
    def wants_intervals(self) -> bool:
        return self.intervals and len(self.responses) <= MOST_PAIRED

    @model_validator(mode="after")
    def has_one_prompt(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt (the text of one message) or messages")
        return self

    def items(self, model: ServedModel) -> list[Item]:
        try:
            if self.prompt is not None:
                prompt = read_asked(self.prompt)
            else:
                prompt = messages_of(self.messages or [])
        except NotUnderstoodError as error:
            return [Item(problem=str(error)) for _ in self.responses]
        return [answer_item(prompt, response) for response in self.responses]

    def answer(self, scored: Sequence[Scored], model: ServedModel) -> Any:
        rewards = [one.reward for one in scored]
        return {
            "model": model.name,
            "run": model.run,
            "digest": model.digest,
            "rewards": rewards,
            "standardised": [
                None if reward is None else model.standardised(reward) for reward in rewards
            ],
            **(
                {
                    "length_partialled": [
                        None
                        if reward is None
                        else model.without_length(reward, read_answer(response))
                        for reward, response in zip(rewards, self.responses, strict=True)
                    ]
                }
                if model.length is not None
                else {}
            ),
            **self.pairs(scored, model),
            "cut": [list(one.cut) for one in scored],
            "not_valid": [one.problem or None for one in scored],
        }

    def pairs(self, scored: Sequence[Scored], model: ServedModel) -> dict[str, Any]:
        """Return the probabilities of all pairs, or null for more than MOST_PAIRED responses.

        With the intervals, if they are asked for: the probabilities then take them into account.
        """
        rewards = [one.reward for one in scored]
        if len(rewards) > MOST_PAIRED:
            return {"probabilities": None, **({"intervals": None} if self.intervals else {})}
        spread = model.spread(scored) if self.intervals else None
        aware = model.certainty.outcomes if spread is not None and model.certainty else None
        outcomes = aware or model.outcomes
        places = dict(zip(valid(rewards), range(len(rewards)), strict=False))

        def outcome(one: int, other: int) -> Outcome:
            lead = (rewards[one] or 0.0) - (rewards[other] or 0.0)
            variance = spread.variances[places[one], places[other]] if aware and spread else 0.0
            return outcomes.outcome(lead, float(variance))

        found: dict[str, Any] = {
            "probabilities": pairwise(rewards, lambda one, other: outcome(one, other).win)
        }
        if model.outcomes.nu is not None:
            found["ties"] = pairwise(rewards, lambda one, other: outcome(one, other).tie)
        if self.intervals:
            found["intervals"] = spread and [
                None if reward is None else around(reward, float(spread.half_widths[places[place]]))
                for place, reward in enumerate(rewards)
            ]
        return found


def valid(rewards: Sequence[float | None]) -> list[int]:
    """Return the places of the valid rewards."""
    return [place for place, reward in enumerate(rewards) if reward is not None]


def around(reward: float, half_width: float) -> list[float]:
    return [reward - half_width, reward + half_width]


def pairwise(
    rewards: Sequence[float | None], probability: Callable[[int, int], float]
) -> list[list[float | None]]:
    """Return, for each response, a probability of it and each other, given their places."""
    return [
        [
            None
            if one is None or other is None or place == against
            else probability(place, against)
            for against, other in enumerate(rewards)
        ]
        for place, one in enumerate(rewards)
    ]
