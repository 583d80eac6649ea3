"""Prompts as a manager sees and steers them: found in lists, made urgent, reopened, taken out.

The lists of a million prompts are read on from a place (keyset), never by counting rows off, and
no list is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Greatest
from django.utils import timezone

from labelapp.labelling.assignments import lock_member, look_from_the_top, release_slot
from labelapp.models import MIN_RESPONSES, Assignment, Origin, Project, Prompt, Ranking, Response
from labelapp.projects.progress import HELD
from labelapp.rendering.letters import letter

A_PAGE = 50

# What a list can show, by the word in its address.
SHOWN = {
    "": "All",
    "waiting": "Waiting",
    "work": "In work",
    "done": "Done",
    "skipped": "Skipped",
    "unqueued": "Not queued",
    "names": "Reveals its model",
    "gold": "Gold",
}


class Contents(Func):
    """The texts of a prompt's messages, one below the other, without their roles."""

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = (
            "(SELECT group_concat(json_extract(value, '$.content'), char(10)) "
            "FROM json_each(%(expressions)s))"
        )
        return super().as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = (
            "(SELECT string_agg(message ->> 'content', chr(10)) "
            "FROM jsonb_array_elements(%(expressions)s) AS message)"
        )
        return super().as_sql(compiler, connection, template=template, **context)


@dataclass(frozen=True)
class Row:
    """A prompt in a list."""

    prompt: Prompt
    made: int  # rankings that fill a slot
    in_work: int
    skips: int
    name_themselves: int  # responses that say which model wrote them


@dataclass(frozen=True)
class Page:
    rows: list[Row]
    next: str  # where the next page begins; empty at the end


def page(*, project: Project, shown: str = "", search: str = "", after: str = "") -> Page:
    """A page of the project's prompts.

    Waiting prompts come in the order of the queue, others in the order of their import. `after`
    is where the page before ended; one that cannot be read is the beginning.
    """
    found = matching(chosen(project, shown), search)
    in_queue = shown == "waiting"
    prompts: list[Prompt] = []
    for part in parts(found, in_queue, after):
        if len(prompts) <= A_PAGE:
            prompts += part[: A_PAGE + 1 - len(prompts)]
    more = len(prompts) > A_PAGE
    prompts = prompts[:A_PAGE]
    return Page(rows(prompts), place(prompts[-1], in_queue) if more else "")


def chosen(project: Project, shown: str) -> QuerySet[Prompt]:
    """The prompts of a list. What few have is looked up from their side, by its own index."""
    prompts = Prompt.objects.filter(project=project)
    tasks = Assignment.objects.filter(member__project=project)
    if shown == "waiting":
        return prompts.waiting()
    if shown == "work":
        return prompts.filter(pk__in=tasks.filter(HELD).values("prompt"))
    if shown == "done":
        # Few are held, and these have an index; by prompt, every assignment would be read.
        held = tasks.filter(HELD).values("prompt")
        return prompts.filter(~Q(pk__in=held), rankings_wanted__gt=0, rankings_needed=0)
    if shown == "skipped":
        return prompts.filter(pk__in=tasks.filter(skipped_at__isnull=False).values("prompt"))
    if shown == "unqueued":
        return prompts.filter(rankings_wanted=0)
    if shown == "gold":
        return prompts.filter(pk__in=Ranking.objects.filter(is_gold=True).values("prompt"))
    if shown == "names":
        return prompts.filter(pk__in=naming_themselves(project).values("prompt"))
    return prompts


def matching(prompts: QuerySet[Prompt], search: str) -> QuerySet[Prompt]:
    """Those with the words in their messages or in their own id."""
    if not search:
        return prompts
    return prompts.alias(contents=Contents("messages")).filter(
        Q(contents__icontains=search) | Q(external_id__icontains=search)
    )


def parts(prompts: QuerySet[Prompt], in_queue: bool, after: str) -> list[QuerySet[Prompt]]:
    """What follows a place, as ranges of an index that are read one after the other."""
    try:
        *urgency, pk = [int(number) for number in after.split(".")]
    except ValueError:
        urgency, pk = [], 0
    if not in_queue:
        return [prompts.filter(pk__gt=pk).order_by("pk")]
    queue = prompts.order_by("-priority", "pk")
    if not urgency:
        return [queue]
    return [queue.filter(priority=urgency[0], pk__gt=pk), queue.filter(priority__lt=urgency[0])]


def place(prompt: Prompt, in_queue: bool) -> str:
    return f"{prompt.priority}.{prompt.pk}" if in_queue else str(prompt.pk)


def rows(prompts: Sequence[Prompt]) -> list[Row]:
    pks = [prompt.pk for prompt in prompts]
    tasks = Assignment.objects.filter(prompt__in=pks).values("prompt")
    counts = {
        row["prompt"]: (row["made"], row["in_work"], row["skips"])
        for row in tasks.annotate(
            made=Count("slot", filter=Q(submitted_at__isnull=False)),
            in_work=Count("pk", filter=HELD),
            skips=Count("pk", filter=Q(skipped_at__isnull=False)),
        )
    }
    named = Response.objects.filter(prompt__in=pks, names_itself=True)
    naming = dict(named.values_list("prompt").annotate(Count("pk")))
    return [
        Row(prompt, *counts.get(prompt.pk, (0, 0, 0)), naming.get(prompt.pk, 0))
        for prompt in prompts
    ]


def naming_themselves(project: Project) -> QuerySet[Response]:
    """The project's responses that say which model wrote them."""
    return Response.objects.filter(prompt__project=project, names_itself=True)


# ---- one prompt ----


@dataclass(frozen=True)
class LetteredRanking:
    ranking: Ranking
    ranks: list[list[str]]  # letters of tied responses, best first


@dataclass(frozen=True)
class PromptInFull:
    """A prompt with all that was done with it."""

    responses: list[tuple[str, Response]]  # by letter
    held: list[Assignment]  # begun, in a slot
    controls: list[Assignment]  # begun, to measure the labeller
    lapsed: list[Assignment]  # begun, and their labeller's no longer
    skipped: list[Assignment]
    rankings: list[LetteredRanking]  # every version, a person's newest first

    @property
    def made(self) -> int:
        """The labellers' rankings that count."""
        made = (ranked.ranking for ranked in self.rankings if ranked.ranking.is_current)
        return sum(ranking.origin != Origin.ADJUDICATED for ranking in made)


def in_full(prompt: Prompt) -> PromptInFull:
    responses = [
        (letter(i), response) for i, response in enumerate(prompt.responses.order_by("pk"))
    ]
    letters = {response.pk: name for name, response in responses}
    assignments = list(prompt.assignments.select_related("member").order_by("created_at", "pk"))
    begun = [one for one in assignments if one.is_open]
    rankings = prompt.rankings.select_related("member").prefetch_related("placements")
    return PromptInFull(
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


def lanes(ranking: Ranking, letters: dict[int, str]) -> list[list[str]]:
    """The letters of each rank, best first."""
    ranks = ranking.ranks()
    return [
        sorted(letters[pk] for pk, given in ranks.items() if given == rank)
        for rank in sorted(set(ranks.values()))
    ]


# ---- steering ----


def locked(prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
    """The prompts, to be changed: locked in their order, so that two who change never wait for
    each other in a circle; not against who stores a ranking. Use inside a transaction."""
    ours = prompts.order_by("pk").select_for_update(no_key=True)
    return Prompt.objects.filter(pk__in=ours.values("pk"))


@transaction.atomic
def set_priority(*, prompts: QuerySet[Prompt], priority: int) -> int:
    """Prompts with a higher priority are ranked first. Gives the number of prompts."""
    return locked(prompts).update(
        # Labellers may be past the place where a prompt stood.
        came_back=Case(When(priority__lt=priority, then=Value(True)), default=F("came_back")),
        priority=priority,
    )


@transaction.atomic
def ask_again(*, prompts: QuerySet[Prompt]) -> int:
    """Have each prompt ranked once more, by somebody who has not had it. Gives their number.

    Prompts with too few responses to be ranked here are left as they are.
    """
    counted = Response.objects.filter(prompt=OuterRef("pk")).order_by().values("prompt")
    count = Subquery(counted.annotate(count=Count("pk")).values("count"))
    rankable = prompts.alias(responses_held=count).filter(responses_held__gte=MIN_RESPONSES)
    return locked(rankable).update(
        rankings_wanted=F("rankings_wanted") + 1,
        rankings_needed=F("rankings_needed") + 1,
        came_back=True,
        taken_out=False,
    )


@transaction.atomic
def take_out(*, prompts: QuerySet[Prompt]) -> int:
    """Let nobody else have the prompts. Rankings made and tasks begun stay. Gives their number."""
    held = Assignment.objects.filter(HELD, prompt=OuterRef("pk"))
    queued = prompts.filter(Q(rankings_needed__gt=0) | Exists(held), taken_out=False)
    return locked(queued).update(
        rankings_wanted=F("rankings_wanted") - F("rankings_needed"),
        rankings_needed=0,
        taken_out=True,
    )


@transaction.atomic
def want_rankings(*, project: Project, wanted: int) -> int:
    """Set how many rankings every queued prompt of a project wants. Gives the number changed.

    Those that were taken out of the queue stay out. Never fewer than the slots that are taken.
    Slots may come to be free anywhere in the queue, so its labellers begin at its top again:
    marking what came back would have them look through it at every claim, and it may be everything.
    """
    look_from_the_top(project.members.all())
    taken = F("rankings_wanted") - F("rankings_needed")
    queued = Prompt.objects.filter(project=project, rankings_wanted__gt=0, taken_out=False)
    changing = queued.alias(target=Greatest(taken, Value(wanted))).exclude(
        rankings_wanted=F("target")
    )
    return locked(changing).update(
        rankings_wanted=Greatest(taken, Value(wanted)),
        rankings_needed=Greatest(Value(wanted) - taken, Value(0)),
    )


@transaction.atomic
def take_back(*, assignment: Assignment) -> bool:
    """End a lease for good: the next labeller who asks gets the prompt.

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
