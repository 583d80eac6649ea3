"""A verdict: what a labeller says of a task, whether it is a draft, a form or a stored ranking."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from labelapp.models import Ranking


@dataclass(frozen=True)
class Verdict:
    """What a labeller says of a task, by letter; incomplete in a draft."""

    ranks: Mapping[str, int]  # 1 = best, ties share one
    scores: Mapping[str, int] = field(default_factory=dict)  # 1 to the project's rating_scale
    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    note: str = ""
    all_bad: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Verdict":
        return cls(**{"ranks": {}, **values})


def says(ranking: Ranking, by_letter: Mapping[str, int]) -> Verdict:
    """A stored ranking as the verdict of a task that shows these responses."""
    ranks = ranking.ranks()
    ratings = {rating.response_id: rating for rating in ranking.ratings.all()}
    rated = {letter: ratings[pk] for letter, pk in by_letter.items() if pk in ratings}
    return Verdict(
        ranks={letter: ranks[pk] for letter, pk in by_letter.items() if pk in ranks},
        scores={letter: rating.score for letter, rating in rated.items() if rating.score},
        flags={letter: rating.flags for letter, rating in rated.items() if rating.flags},
        note=ranking.note,
        all_bad=ranking.all_bad,
    )


def normal(verdict: Verdict) -> Verdict:
    """The verdict as it is when stored and read again."""
    return Verdict(
        ranks=dense(verdict.ranks),
        scores=dict(verdict.scores),
        flags={letter: list(flags) for letter, flags in verdict.flags.items() if flags},
        note=verdict.note,
        all_bad=verdict.all_bad,
    )


def dense(ranks: Mapping[str, int]) -> dict[str, int]:
    """The ranks with their gaps closed: 1, 1, 4 becomes 1, 1, 2."""
    places = {rank: place for place, rank in enumerate(sorted(set(ranks.values())), start=1)}
    return {letter: places[rank] for letter, rank in ranks.items()}


def key_of(key: uuid.UUID | None, verdict: Verdict, *, again: bool = False) -> uuid.UUID | None:
    """A submit is known by its form's key and by what it says, and by whether it is `again` of what
    was ranked before.

    Somebody may send a form twice that says something else the second time: they went back to it,
    or saw no answer. That is another submit.
    """
    said = json.dumps(normal(verdict).to_json(), sort_keys=True)
    return key and uuid.uuid5(key, f"{said} again" if again else said)
