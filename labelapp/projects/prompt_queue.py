"""The queue: rankings wanted of prompts, their priority, and assignments that are taken back."""

from django.db import transaction
from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Greatest
from django.utils import timezone

from labelapp.labelling.assignments import lock_member, look_from_the_top, release_slot
from labelapp.models import MIN_RESPONSES, Assignment, Project, Prompt, Response
from labelapp.projects.progress import HELD


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
