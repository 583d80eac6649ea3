"""The rankings of a prompt as rows: each labeller's, their majority's and the model's own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _

from labelapp.reviewing.review import ReviewedPrompt, ReviewedResponse
from training.rankings import UNRANKED, Identifier

Kind = Literal["person", "adjudicated", "majority", "model"]


@dataclass(frozen=True)
class RankCell:
    """The rank of a response in a row; None if the row does not rank it."""

    rank: int | None
    is_in_ranking: bool = True


@dataclass(frozen=True)
class RaterRow:
    """A ranking as a row, its cells in the order of the columns."""

    name: str
    kind: Kind
    cells: list[RankCell]
    agreed: int | None = None  # comparisons that the model orders alike; None for the model
    compared: int | None = None
    member: int | None = None  # whose ranking it is
    ranking: int | None = None  # primary key, if it is stored


def rater_rows(reviewed: ReviewedPrompt) -> list[RaterRow]:
    """Return the rows of a prompt, the model's last. The columns are the responses by reward."""
    rows = [
        RaterRow(
            name=given.name,
            kind="adjudicated" if given.is_adjudicated else "person",
            cells=cells(
                reviewed.responses,
                dict(zip(given.ranking.responses, given.ranking.ranks, strict=True)),
            ),
            agreed=given.agreed,
            compared=given.compared,
            member=given.member,
            ranking=given.pk,
        )
        for given in reviewed.rankings
    ]
    if len(reviewed.own) > 1:
        rows.append(majority_row(reviewed))
    own = model_ranks(reviewed.responses)
    return [*rows, RaterRow(_("Model"), "model", cells(reviewed.responses, own))]


def majority_row(reviewed: ReviewedPrompt) -> RaterRow:
    """Return the row of the labellers' majority."""
    by_rank = [one for one in reviewed.responses if one.majority is not None]
    pairs = [
        (better, worse)
        for better in by_rank
        for worse in by_rank
        if (better.majority or 0) < (worse.majority or 0)
    ]
    ranks: dict[Identifier, int] = {one.response.pk: one.majority or UNRANKED for one in by_rank}
    return RaterRow(
        name=_("Majority"),
        kind="majority",
        cells=cells(reviewed.responses, ranks),
        agreed=sum(better.reward > worse.reward for better, worse in pairs),
        compared=len(pairs),
    )


def cells(responses: Iterable[ReviewedResponse], ranks: Mapping[Identifier, int]) -> list[RankCell]:
    """Return the cells of a row, given the rank of each response in its ranking."""
    found = []
    for one in responses:
        rank = ranks.get(one.response.pk)
        found.append(RankCell(None if rank == UNRANKED else rank, rank is not None))
    return found


def model_ranks(responses: Sequence[ReviewedResponse]) -> dict[Identifier, int]:
    """Return the rank of each response by reward; equal rewards share a rank."""
    rewards = sorted({one.reward for one in responses}, reverse=True)
    return {one.response.pk: rewards.index(one.reward) + 1 for one in responses}
