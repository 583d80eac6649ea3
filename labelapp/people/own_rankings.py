"""The rankings of a labeller, as a list in several orders, and their quality controls."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Length
from django.utils.translation import gettext_lazy

from labelapp.models import Assignment, Member, Origin, Prompt, Ranking, Response
from labelapp.quality.control_checks import CONSISTENCY, GOLD, ControlCheck, count_agreement
from labelapp.rendering.excerpts import excerpt
from training.rankings import UNRANKED

PAGE_SIZE = 25
MAX_CONTROLS = 50  # gold prompts, and repeated ones, on the page

ORDERS = {
    "": gettext_lazy("Others disagree most"),
    "newest": gettext_lazy("Newest"),
    "fastest": gettext_lazy("Fastest"),
    "ties": gettext_lazy("Most ties"),
}


def listed(member: Member, order: str) -> QuerySet[Ranking]:
    """Return the current rankings of a member in an order of ORDERS, without decisions."""
    rankings = member.rankings.by_labellers().filter(prompt__project=member.project_id)
    if order == "newest":
        return rankings.order_by("-created_at", "-pk")
    if order == "fastest":
        return rankings.order_by(F("seconds").asc(nulls_last=True), "pk")
    if order == "ties":
        placed = Count("placements", filter=~Q(placements__rank=UNRANKED))
        ranks = Count("placements__rank", distinct=True, filter=~Q(placements__rank=UNRANKED))
        return rankings.annotate(tied=placed - ranks).order_by("-tied", "-pk")
    worst = (F(f"disagreement__{name}").desc(nulls_last=True) for name in ("share", "against"))
    return rankings.order_by(*worst, "pk")


@dataclass(frozen=True)
class OwnRanking:
    """A ranking in the list, with what may tell whether it was made with care."""

    ranking: Ranking
    prompt: str  # its beginning
    against: int | None  # comparisons that the others order differently; None: not compared
    comparisons: int
    places: str  # the ranks in the order shown, as "1 3 2 =2"; "" if the order is unknown
    longer: tuple[int, int] | None  # pairs whose better response is longer, of those that differ


def rows(rankings: Sequence[Ranking]) -> list[OwnRanking]:
    """Return the rows of a page of rankings, in a fixed number of queries."""
    prompts = Prompt.objects.in_bulk([ranking.prompt_id for ranking in rankings])
    lengths = dict(
        Response.objects.filter(prompt__in=prompts)
        .annotate(length=Length("text"))
        .values_list("pk", "length")
    )
    members = {ranking.member_id for ranking in rankings}
    shown = {
        (assignment.prompt_id, assignment.member_id): assignment.order
        for assignment in Assignment.objects.filter(
            prompt__in=prompts, member__in=members, repeat=False, submitted_at__isnull=False
        )
    }
    return [
        own_ranking(
            ranking,
            prompts[ranking.prompt_id],
            shown.get((ranking.prompt_id, ranking.member_id), []),
            lengths,
        )
        for ranking in rankings
    ]


def own_ranking(
    ranking: Ranking, prompt: Prompt, order: list[int], lengths: dict[int, int]
) -> OwnRanking:
    ranks = ranking.ranks()
    counts = getattr(ranking, "disagreement", None)
    known = sorted(order) == sorted(ranks) and ranking.origin == Origin.HERE
    return OwnRanking(
        ranking=ranking,
        prompt=excerpt(str(prompt.messages[-1]["content"]), 120),
        against=counts.against if counts else None,
        comparisons=counts.comparisons if counts else 0,
        places=" ".join(rank_text(ranks[pk]) for pk in order) if known else "",
        longer=longer_preferred(ranks, lengths),
    )


def rank_text(rank: int) -> str:
    return "–" if rank == UNRANKED else str(rank)


def longer_preferred(ranks: dict[int, int], lengths: dict[int, int]) -> tuple[int, int] | None:
    """Return the pairs whose better response is the longer one, of those that differ in length."""
    longer = uneven = 0
    for one, other in combinations(ranks, 2):
        if ranks[one] != ranks[other] and lengths[one] != lengths[other]:
            uneven += 1
            longer += (lengths[one] > lengths[other]) == (ranks[one] < ranks[other])
    return (longer, uneven) if uneven else None


# ---- quality controls ----


@dataclass(frozen=True)
class ControlResult:
    """Compare a ranking with the gold one, or with the labeller's own earlier one."""

    ranking: Ranking
    prompt: str
    agreed: int
    pairs: int


@dataclass(frozen=True)
class ControlResults:
    kind: str  # GOLD or CONSISTENCY
    results: list[ControlResult]  # the newest

    @property
    def agreed(self) -> int:
        return sum(result.agreed for result in self.results)

    @property
    def pairs(self) -> int:
        return sum(result.pairs for result in self.results)


def gold_results(member: Member) -> ControlResults:
    """Return the member's newest rankings of prompts with a gold ranking by somebody else."""
    gold = Ranking.objects.filter(is_gold=True, prompt=OuterRef("prompt"))
    own = member.rankings.by_labellers().filter(
        Exists(gold.exclude(member=member)), is_gold=False, prompt__project=member.project_id
    )
    rankings = with_details(own)
    references = Ranking.objects.filter(
        is_gold=True, prompt__in=[one.prompt_id for one in rankings]
    )
    by_prompt = {one.prompt_id: one.ranks() for one in references.prefetch_related("placements")}
    return results(GOLD, rankings, lambda ranking: by_prompt.get(ranking.prompt_id))


def repeat_results(member: Member) -> ControlResults:
    """Return the member's newest repeated rankings, against their current ones."""
    repeated = member.rankings.filter(origin=Origin.REPEATED, prompt__project=member.project_id)
    rankings = with_details(repeated)
    current = member.rankings.by_labellers().filter(prompt__in=[one.prompt_id for one in rankings])
    first = {
        (one.prompt_id, one.responses_hash): one.ranks()
        for one in current.prefetch_related("placements")
    }
    return results(
        CONSISTENCY, rankings, lambda one: first.get((one.prompt_id, one.responses_hash))
    )


def with_details(rankings: QuerySet[Ranking]) -> list[Ranking]:
    newest = rankings.select_related("prompt").prefetch_related("placements")
    return list(newest.order_by("-created_at", "-pk")[:MAX_CONTROLS])


def results(kind: str, rankings: Sequence[Ranking], reference_of: Any) -> ControlResults:
    found = []
    for ranking in rankings:
        reference = reference_of(ranking)
        if reference is not None:
            check = ControlCheck(kind, ranking.member_id, ranking.ranks(), reference)
            text = excerpt(str(ranking.prompt.messages[-1]["content"]), 120)
            found.append(ControlResult(ranking, text, *count_agreement(check)))
    return ControlResults(kind, found)
