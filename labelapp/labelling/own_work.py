"""A labeller's own work: what they ranked and skipped, listed, searched, and in their order."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from labelapp.db.contents import Contents, contains
from labelapp.labelling.submissions import letters_of
from labelapp.models import Assignment, Member, Origin, Prompt, Ranking
from labelapp.models.assignments import AssignmentQuerySet
from training.rankings import UNRANKED

MAX_SEARCH = 200  # characters


def here(member: Member) -> AssignmentQuerySet:
    """Return the member's assignments of prompts that are not deleted."""
    return Assignment.objects.filter(member_id=member.pk, prompt__project=member.project_id)


def ranked_by(member: Member) -> QuerySet[Assignment]:
    """Return the assignments that the member has ranked, the newest first."""
    ranked = here(member).ranked()
    return ranked.select_related("prompt").order_by("-submitted_at")


def skipped_by(member: Member) -> QuerySet[Assignment]:
    """Return the assignments that the member has skipped, the newest first."""
    skipped = here(member).skipped()
    return skipped.select_related("prompt").order_by("-skipped_at")


def search(listed: QuerySet[Assignment], text: str) -> QuerySet[Assignment]:
    """Return the assignments whose prompt, or the member's own note, contains a text.

    Ids and sources are not searched: they could tell what a labeller is not to know.
    """
    if not text:
        return listed
    prompts = Prompt.objects.filter(pk=OuterRef("prompt")).alias(contents=Contents("messages"))
    noted = Ranking.objects.filter(prompt=OuterRef("prompt"), member=OuterRef("member"))
    return listed.filter(
        Q(Exists(prompts.filter(contains("contents", text))))
        | Q(Exists(noted.filter(contains("note", text))))
        | contains("skip_note", text)
    )


def with_note(listed: QuerySet[Assignment], *, skipped: bool) -> QuerySet[Assignment]:
    """Return the assignments with the member's note on their ranking, or on why they skipped."""
    if skipped:
        return listed.exclude(skip_note="")
    noted = Ranking.objects.filter(prompt=OuterRef("prompt"), member=OuterRef("member"))
    noted = noted.exclude(note="").exclude(origin=Origin.ADJUDICATED)
    return listed.filter(
        Q(repeat=False) & Exists(noted.filter(is_current=True))
        | Q(repeat=True) & Exists(noted.filter(origin=Origin.REPEATED))
    )


def rankings_of(member: Member, shown: Sequence[Assignment]) -> dict[int, Ranking]:
    """Return the member's current ranking of each assignment that has one, by assignment."""
    of_prompt = defaultdict(list)
    made = Ranking.objects.filter(
        member_id=member.pk, prompt__in=[one.prompt_id for one in shown]
    ).exclude(origin=Origin.ADJUDICATED)
    for ranking in made.prefetch_related("placements").order_by("version"):
        of_prompt[ranking.prompt_id].append(ranking)
    found = {}
    for one in shown:
        for ranking in of_prompt[one.prompt_id]:
            again = ranking.origin == Origin.REPEATED
            counts = again if one.repeat else ranking.is_current
            if counts and ranking.ranks().keys() == set(one.order):
                found[one.pk] = ranking
    return found


def order_of(assignment: Assignment, ranking: Ranking) -> str:
    """Return an order in letters, the best first: B > A = C, and unranked ones in brackets."""
    return write_order(letters_of(assignment), ranking.ranks())


def write_order(letters: Mapping[str, int], ranks: Mapping[int, int]) -> str:
    groups = defaultdict(list)
    for letter, response in letters.items():
        groups[ranks[response]].append(letter)
    unranked = groups.pop(UNRANKED, [])
    parts = [" = ".join(groups[rank]) for rank in sorted(groups)]
    return " > ".join(parts + ([f"({', '.join(unranked)})"] if unranked else []))
