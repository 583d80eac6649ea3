"""Assign prompts to named labellers, who get them first, and release what somebody leaves."""

from collections.abc import Collection, Iterable, Sequence
from itertools import product

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet

from labelapp.db.bulk import insert_rows, pieces
from labelapp.models import Assignee, Assignment, Member, Project, Prompt
from labelapp.projects.prompt_queue import locked

AT_ONCE = 1000  # prompts in one statement


def assignable(project: Project) -> QuerySet[Member]:
    """Return the members to whom prompts can be assigned: they can sign in and are not left out."""
    members = project.members.filter(is_active=True, user__is_active=True, excluded_from=None)
    return members.order_by("name")


@transaction.atomic
def assign(
    *,
    project: Project,
    prompts: QuerySet[Prompt],
    members: Sequence[Member],
    evenly: bool,
    only: bool,
) -> int:
    """Assign prompts to members instead of those who have them so far; return their number.

    Shared `evenly`, each prompt gets one member in turn; otherwise all of them. With `only`, nobody
    else gets the prompts. Members who have left or are left out meanwhile get none. Whoever calls
    this holds the lock of members.lock_members.
    """
    wanted = {member.pk for member in members}
    pks = [pk for pk in assignable(project).values_list("pk", flat=True) if pk in wanted]
    keys = list(locked(prompts).order_by("pk").values_list("pk", flat=True))
    if not pks:
        return 0
    if evenly:
        pairs = [(key, pks[n % len(pks)]) for n, key in enumerate(keys)]
    else:
        pairs = list(product(keys, pks))
    replace(keys, pairs, reserved=only)
    return len(keys)


@transaction.atomic
def unassign(*, prompts: QuerySet[Prompt]) -> int:
    """Open assigned prompts to everybody, and return their number."""
    theirs = Assignee.objects.filter(prompt=OuterRef("pk"))
    assigned = prompts.filter(Exists(theirs))
    keys = list(locked(assigned).order_by("pk").values_list("pk", flat=True))
    replace(keys, [], reserved=False)
    return len(keys)


def replace(keys: Sequence[int], pairs: Iterable[tuple[int, int]], *, reserved: bool) -> None:
    """Replace the assignees of locked prompts by these pairs of a prompt and a member."""
    for some in pieces(keys, AT_ONCE):
        Assignee.objects.filter(prompt__in=some).delete()
        prompts = Prompt.objects.filter(pk__in=some)
        if reserved:
            prompts.filter(reserved=False).update(reserved=True)
        else:
            prompts.filter(reserved=True).update(reserved=False, came_back=True)
    insert_rows(Assignee, ("prompt", "member", "waits"), [(*pair, True) for pair in pairs])
    given = Assignment.objects.filter(prompt=OuterRef("prompt"), member=OuterRef("member"))
    for some in pieces(keys, AT_ONCE):
        rows = Assignee.objects.filter(Exists(given), prompt__in=some)
        rows.update(waits=False)


def release(member: Member) -> int:
    """Open to everybody what is assigned to a member and waits for them; return the number.

    What is assigned to others as well stays theirs. Call inside a transaction that holds the locks
    of lock_members and of the member.
    """
    theirs = Assignee.objects.filter(member=member, waits=True)
    keys = list(theirs.order_by("prompt").values_list("prompt", flat=True))
    for some in pieces(keys, AT_ONCE):
        list(locked(Prompt.objects.filter(pk__in=some)).values_list("pk"))
        theirs.filter(prompt__in=some).delete()
        others = Assignee.objects.filter(prompt=OuterRef("pk"), waits=True)
        left = Prompt.objects.filter(~Exists(others), pk__in=some, reserved=True)
        left.update(reserved=False, came_back=True)
    return len(keys)


def waiting_for(member: Member) -> int:
    """Return how many prompts are assigned to a member and wait for them."""
    return Assignee.objects.filter(
        member=member, waits=True, prompt__project=member.project_id
    ).count()


def count_waiting(members: Collection[int]) -> dict[int, int]:
    """Count the prompts that are assigned to members and that they will be given, by member."""
    if not members:
        return {}
    waiting = Assignee.objects.filter(
        member__in=members,
        waits=True,
        prompt__rankings_needed__gt=0,
        prompt__project=F("member__project"),
    ).order_by()
    return dict(waiting.values_list("member").annotate(Count("pk")))
