"""Rankings as labellers enter them, by letter: in a draft, a form or the database."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from labelapp.models import Placement, Ranking
from training.rankings import UNRANKED


@dataclass(frozen=True)
class RankingInput:
    """A ranking with scores, flags and a note, by letter; incomplete in a draft.

    Responses without a rank are below the others in a stored ranking.
    """

    ranks: Mapping[str, int]  # 1 = best, ties share one
    scores: Mapping[str, int] = field(default_factory=dict)  # 1 to the project's rating_scale
    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    note: str = ""
    all_bad: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RankingInput":
        return cls(**{"ranks": {}, **values})

    @classmethod
    def from_ranking(cls, ranking: Ranking, by_letter: Mapping[str, int]) -> "RankingInput":
        """Return the input that made a stored ranking, given the response's id for each letter."""
        ranks = {pk: rank for pk, rank in ranking.ranks().items() if rank != UNRANKED}
        ratings = {rating.response_id: rating for rating in ranking.ratings.all()}
        rated = {letter: ratings[pk] for letter, pk in by_letter.items() if pk in ratings}
        return cls(
            ranks={letter: ranks[pk] for letter, pk in by_letter.items() if pk in ranks},
            scores={letter: rating.score for letter, rating in rated.items() if rating.score},
            flags={letter: rating.flags for letter, rating in rated.items() if rating.flags},
            note=ranking.note,
            all_bad=ranking.all_bad,
        )

    def placements(self, ranking: Ranking, by_letter: Mapping[str, int]) -> Iterator[Placement]:
        """Yield the placements of a stored ranking, given the id of the response by letter."""
        ranks = close_gaps(self.ranks)
        for letter, response_id in by_letter.items():
            rank = ranks.get(letter, UNRANKED)
            yield Placement(ranking=ranking, response_id=response_id, rank=rank)

    def normalized(self) -> "RankingInput":
        """Return this input as it reads once it has been stored."""
        return RankingInput(
            ranks=close_gaps(self.ranks),
            scores=dict(self.scores),
            flags={letter: list(flags) for letter, flags in self.flags.items() if flags},
            note=self.note,
            all_bad=self.all_bad,
        )


def close_gaps(ranks: Mapping[str, int]) -> dict[str, int]:
    """Return the ranks without gaps: 1, 1, 4 becomes 1, 1, 2."""
    places = {rank: place for place, rank in enumerate(sorted(set(ranks.values())), start=1)}
    return {letter: places[rank] for letter, rank in ranks.items()}


def submit_key(
    form_key: uuid.UUID | None, entered: RankingInput, *, repeat: bool = False
) -> uuid.UUID | None:
    """Return the key of a submit, from its form's key and what was entered.

    A form that is sent twice with different input, because its labeller went back to it or saw no
    answer, is two submits. So are those of a prompt and of its repetition.
    """
    text = json.dumps(entered.normalized().to_json(), sort_keys=True)
    return form_key and uuid.uuid5(form_key, f"{text} again" if repeat else text)
