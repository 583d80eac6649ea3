"""The responses, assignments and rankings of one prompt."""

from dataclasses import dataclass

from labelapp.models import Assignment, Origin, Prompt, Ranking, Response
from labelapp.rendering.letters import letter
from training.rankings import UNRANKED


@dataclass(frozen=True)
class LetteredRanking:
    """A ranking with the letters of its responses."""

    ranking: Ranking
    ranks: list[tuple[int | None, list[str]]]  # letters of tied responses; None: of unranked ones


@dataclass(frozen=True)
class PromptHistory:
    """The responses, assignments and rankings of a prompt."""

    responses: list[tuple[str, Response]]  # by letter
    held: list[Assignment]  # begun, in a slot
    controls: list[Assignment]  # begun, to measure the labeller
    lapsed: list[Assignment]  # begun, and their labeller's no longer
    skipped: list[Assignment]
    rankings: list[LetteredRanking]  # all versions, the newest of each labeller first

    @property
    def made(self) -> int:
        """The number of current rankings by labellers, with those that are left out."""
        return len(self.current)

    @property
    def left_out(self) -> int:
        """The number of those that are left out with their labeller."""
        return sum(ranking.is_left_out for ranking in self.current)

    @property
    def current(self) -> list[Ranking]:
        rankings = (ranked.ranking for ranked in self.rankings if ranked.ranking.is_current)
        return [ranking for ranking in rankings if ranking.origin != Origin.ADJUDICATED]


def history(prompt: Prompt) -> PromptHistory:
    """Return the responses, assignments and rankings of a prompt."""
    responses = [
        (letter(i), response) for i, response in enumerate(prompt.responses.order_by("pk"))
    ]
    letters = {response.pk: name for name, response in responses}
    assignments = list(prompt.assignments.select_related("member").order_by("created_at", "pk"))
    begun = [one for one in assignments if one.is_open]
    rankings = prompt.rankings.select_related("member").prefetch_related("placements")
    return PromptHistory(
        responses=responses,
        held=[one for one in begun if one.slot is not None],
        controls=[one for one in begun if one.is_control and one.is_held],
        lapsed=[one for one in begun if not one.is_held],
        skipped=[one for one in assignments if one.skipped_at],
        rankings=[
            LetteredRanking(ranking, lanes(ranking, letters))
            for ranking in rankings.order_by("member__name", "responses_hash", "-version")
        ],
    )


def lanes(ranking: Ranking, letters: dict[int, str]) -> list[tuple[int | None, list[str]]]:
    """Return the ranks, best first, with their responses' letters, and None for unranked ones."""
    ranks = ranking.ranks()
    return [
        (
            None if rank == UNRANKED else rank,
            sorted(letters[pk] for pk, given in ranks.items() if given == rank),
        )
        for rank in sorted(set(ranks.values()))
    ]
