"""The prompts of a project: list them, show one, and manage the queue.

A list may have a million prompts: it is paged by keyset, not by offset, and never counted.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Greatest
from django.utils import timezone

from labelapp.labelling.assignments import lock_member, look_from_the_top, release_slot
from labelapp.models import (
    MIN_RESPONSES,
    Assignee,
    Assignment,
    Origin,
    Project,
    Prompt,
    PromptTag,
    Ranking,
    Response,
    not_excluded,
)
from labelapp.projects.progress import HELD
from labelapp.projects.prompt_filters import (
    EVERY_PROMPT,
    PromptFilter,
    cursor,
    matching,
    ranges_after,
)
from labelapp.rendering.letters import letter
from training.rankings import UNRANKED

PAGE_SIZE = 50
COUNTED = 10_000  # prompts that match; more are not counted, because that would be slow


@dataclass(frozen=True)
class Row:
    """A prompt in the list, with its counts."""

    prompt: Prompt
    made: int  # rankings that fill a slot
    in_progress: int
    skips: int
    name_themselves: int  # responses that reveal their model
    imported: int  # current rankings by labellers that were imported
    here: int  # and that were made here
    left_out: int  # of both, those that are left out with their labeller
    assignees: list[Assignee]
    tags: list[str]
    metadata: list[tuple[str, str]]  # the keys that are shown, with their values


@dataclass(frozen=True)
class Page:
    rows: list[Row]
    next: str  # cursor of the next page; empty at the end


def page(*, project: Project, chosen: PromptFilter = EVERY_PROMPT, after: str = "") -> Page:
    """Return a page of the project's prompts.

    Unless they are sorted, waiting prompts are in the order of the queue, others in the order of
    their import. `after` is the cursor of the page; an invalid one starts at the beginning.
    """
    prompts: list[Prompt] = []
    for part in ranges_after(matching(project, chosen), chosen, after):
        if len(prompts) <= PAGE_SIZE:
            prompts += part[: PAGE_SIZE + 1 - len(prompts)]
    more = len(prompts) > PAGE_SIZE
    prompts = prompts[:PAGE_SIZE]
    return Page(rows(prompts, chosen.keys), cursor(prompts[-1]) if more else "")


def count_matching(project: Project, chosen: PromptFilter) -> int:
    """Return the number of prompts that a filter shows, or COUNTED + 1 if there are more."""
    return matching(project, chosen)[: COUNTED + 1].count()


def rows(prompts: Sequence[Prompt], columns: Sequence[str] = ()) -> list[Row]:
    """Return prompts with their counts, and with the values of some keys of their metadata."""
    pks = [prompt.pk for prompt in prompts]
    assignments = Assignment.objects.filter(prompt__in=pks).values("prompt")
    counts = {
        row["prompt"]: (row["made"], row["in_progress"], row["skips"])
        for row in assignments.annotate(
            made=Count("slot", filter=Q(submitted_at__isnull=False)),
            in_progress=Count("pk", filter=HELD),
            skips=Count("pk", filter=Q(skipped_at__isnull=False)),
        )
    }
    named = Response.objects.filter(prompt__in=pks, names_itself=True)
    naming = dict(named.values_list("prompt").annotate(Count("pk")))
    rankings = Ranking.objects.by_labellers().filter(prompt__in=pks)
    ranked = {
        row["prompt"]: (row["imported"], row["every"] - row["imported"], row["left_out"])
        for row in rankings.values("prompt").annotate(
            every=Count("pk"),
            imported=Count("pk", filter=Q(origin=Origin.IMPORTED)),
            left_out=Count("pk", filter=~not_excluded()),
        )
    }
    people, tags = assignees_of(pks), tags_of(pks)
    return [
        Row(
            prompt,
            *counts.get(prompt.pk, (0, 0, 0)),
            naming.get(prompt.pk, 0),
            *ranked.get(prompt.pk, (0, 0, 0)),
            people.get(prompt.pk, []),
            tags.get(prompt.pk, []),
            [(key, shown((prompt.metadata or {}).get(key))) for key in columns],
        )
        for prompt in prompts
    ]


def shown(value: object) -> str:
    """Return a value of metadata as a text."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def assignees_of(prompts: Iterable[int]) -> dict[int, list[Assignee]]:
    """Return the assignees of some prompts by prompt, in the order of their names."""
    found: dict[int, list[Assignee]] = {}
    rows = Assignee.objects.filter(prompt__in=prompts).select_related("member")
    for row in rows.order_by("member__name"):
        found.setdefault(row.prompt_id, []).append(row)
    return found


def tags_of(prompts: Iterable[int]) -> dict[int, list[str]]:
    """Return the names of the tags of some prompts, by prompt."""
    found: dict[int, list[str]] = {}
    tagged = PromptTag.objects.filter(prompt__in=prompts).order_by("tag__name")
    for prompt, name in tagged.values_list("prompt", "tag__name"):
        found.setdefault(prompt, []).append(name)
    return found


def metadata_keys(project: Project) -> list[str]:
    """Return the keys that the metadata of some of the project's prompts have, to choose from."""
    some = project.prompts.filter(metadata__isnull=False).order_by("-pk")[:PAGE_SIZE]
    keys = {key for data in some.values_list("metadata", flat=True) for key in data or ()}
    return sorted(key for key in keys if "," not in key)


# ---- one prompt ----


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


# ---- the queue ----


def locked(prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
    """Return the prompts, locked for a change, inside a transaction.

    They are locked in order, so that two changes cannot deadlock. A ranking can still be stored.
    """
    ours = prompts.order_by("pk").select_for_update(no_key=True)
    return Prompt.objects.filter(pk__in=ours.values("pk"))


@transaction.atomic
def set_priority(*, prompts: QuerySet[Prompt], priority: int) -> int:
    """Set the priority and return the number of prompts. Higher priorities are ranked first."""
    return locked(prompts).update(
        # Labellers may already be past this place in the queue.
        came_back=Case(When(priority__lt=priority, then=Value(True)), default=F("came_back")),
        priority=priority,
    )


@transaction.atomic
def ask_again(*, prompts: QuerySet[Prompt]) -> int:
    """Ask for one more ranking of each prompt, by a new labeller. Return the number of prompts.

    Prompts with too few responses to be ranked are skipped.
    """
    return locked(rankable(prompts)).update(
        rankings_wanted=F("rankings_wanted") + 1,
        rankings_needed=F("rankings_needed") + 1,
        came_back=True,
        taken_out=False,
    )


def rankable(prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
    """Return the prompts with enough responses to be ranked."""
    counted = Response.objects.filter(prompt=OuterRef("pk")).order_by().values("prompt")
    count = Subquery(counted.annotate(count=Count("pk")).values("count"))
    return prompts.alias(responses_held=count).filter(responses_held__gte=MIN_RESPONSES)


@transaction.atomic
def want(*, prompts: QuerySet[Prompt], wanted: int) -> int:
    """Set how many rankings each prompt wants, also of those that are not queued.

    Return the number of prompts. Prompts with too few responses to be ranked are skipped, and the
    number never falls below the slots that are taken.
    """
    taken = F("rankings_wanted") - F("rankings_needed")
    return locked(rankable(prompts)).update(
        came_back=Case(When(rankings_wanted__lt=wanted, then=Value(True)), default=F("came_back")),
        rankings_wanted=Greatest(taken, Value(wanted)),
        rankings_needed=Greatest(Value(wanted) - taken, Value(0)),
        taken_out=False,
    )


@transaction.atomic
def stop_asking(*, prompts: QuerySet[Prompt]) -> int:
    """Undo ask_again: ask for one ranking less of each prompt that nobody has taken meanwhile.

    Return the number of prompts.
    """
    return locked(prompts.filter(rankings_needed__gt=0)).update(
        rankings_wanted=F("rankings_wanted") - 1, rankings_needed=F("rankings_needed") - 1
    )


@transaction.atomic
def remove_from_queue(*, prompts: QuerySet[Prompt]) -> int:
    """Remove prompts from the queue and return their number.

    Rankings and open assignments stay.
    """
    held = Assignment.objects.filter(HELD, prompt=OuterRef("pk"))
    queued = prompts.filter(Q(rankings_needed__gt=0) | Exists(held), taken_out=False)
    return locked(queued).update(
        rankings_wanted=F("rankings_wanted") - F("rankings_needed"),
        rankings_needed=0,
        taken_out=True,
    )


def queued(project: Project) -> QuerySet[Prompt]:
    """Return the prompts that are, or were, to be ranked here and not removed from the queue."""
    return Prompt.objects.filter(project=project, rankings_wanted__gt=0, taken_out=False)


@transaction.atomic
def set_rankings_wanted(*, project: Project, wanted: int) -> int:
    """Set the number of rankings for every queued prompt, and return how many prompts changed.

    It never falls below the number of slots taken. Prompts that were removed from the queue stay
    out. Slots may become free anywhere in the queue, so labellers start at its top again; marking
    the prompts with `came_back` would be slow, because every claim would look through them.
    """
    look_from_the_top(project.members.all())
    taken = F("rankings_wanted") - F("rankings_needed")
    changing = (
        queued(project)
        .alias(target=Greatest(taken, Value(wanted)))
        .exclude(rankings_wanted=F("target"))
    )
    return locked(changing).update(
        rankings_wanted=Greatest(taken, Value(wanted)),
        rankings_needed=Greatest(Value(wanted) - taken, Value(0)),
    )


@transaction.atomic
def take_back(*, assignment: Assignment) -> bool:
    """Give an assigned prompt to the next labeller. Return False if it is no longer assigned.

    Return False where the labeller does not hold it. They do not get it again, though their page
    is still open. What they have entered stays; their submit is kept, whenever it comes.
    """
    lock_member(assignment.member)
    locked = Assignment.objects.open().filter(pk=assignment.pk).locked().first()
    if locked is None or not locked.is_held:
        return False
    release_slot(locked)
    locked.taken_back, locked.expires_at = True, timezone.now()
    locked.save(update_fields=["taken_back", "expires_at"])
    return True
