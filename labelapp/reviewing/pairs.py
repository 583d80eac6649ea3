"""The pairs of responses to a prompt: how likely the model thinks that one beats the other."""

from dataclasses import dataclass

from labelapp.reviewing.review import ReviewedPrompt, ReviewedResponse
from training.runs.outcomes import Outcome, OutcomeModel

STEPS = 5  # shades of the heat map on each side of one half


@dataclass(frozen=True)
class PairCell:
    """The pair of the response of a row and that of a column."""

    first: str  # letters
    second: str
    outcome: Outcome
    votes: int  # rankings that prefer the first
    of: int  # rankings that compare the two
    is_contested: bool  # most people prefer the first, and the model does not

    @property
    def shade(self) -> str:
        """Return the class of the cell's shade: for-1 to for-5, or against-1 to against-5."""
        lead = self.outcome.win - self.outcome.loss
        step = min(STEPS, int(abs(lead) * STEPS) + 1)
        return f"{'for' if lead >= 0 else 'against'}-{step}"


@dataclass(frozen=True)
class PairRow:
    """The pairs of one response with each of the others; None stands for itself."""

    response: ReviewedResponse
    cells: list[PairCell | None]


def pair_rows(reviewed: ReviewedPrompt, model: OutcomeModel) -> list[PairRow]:
    """Return a row for each response, by reward."""
    return [
        PairRow(
            one,
            [
                None if other is one else pair_cell(reviewed, one, other, model)
                for other in reviewed.responses
            ],
        )
        for one in reviewed.responses
    ]


def pair_cell(
    reviewed: ReviewedPrompt, one: ReviewedResponse, other: ReviewedResponse, model: OutcomeModel
) -> PairCell:
    """Return the cell of two responses."""
    keys = one.response.pk, other.response.pk
    pair = min(keys), max(keys)
    found = reviewed.votes.get(pair)
    votes = 0
    if found:
        votes = found.first if keys[0] < keys[1] else found.second
    return PairCell(
        first=one.letter,
        second=other.letter,
        outcome=model.outcome(one.reward - other.reward),
        votes=votes,
        of=found.total if found else 0,
        is_contested=pair in reviewed.contested and one.reward < other.reward,
    )
