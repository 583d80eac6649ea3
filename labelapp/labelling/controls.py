"""Quality controls: assignments that measure the labeller, who cannot tell which these are.

A gold prompt has a ranking by which others are measured; a repeated one was ranked by the same
labeller some days ago. A control holds no slot: it takes nothing from what the prompt wants.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.labelling import queue
from labelapp.models import (
    MAX_RESPONSES,
    MIN_RESPONSES,
    Assignment,
    Member,
    Origin,
    Project,
    Prompt,
    Ranking,
    not_excluded,
)

NEAR = 50  # assignments that are looked at for one to repeat


def draw(member: Member) -> Assignment | None:
    """Return a randomly drawn quality control for a locked member, or None if none is due.

    The project's settings say how often. The assignment is unsaved and has no lease. Returns None
    as well if nothing waits for the member: controls come between other prompts, and do not replace
    them.
    """
    project = member.project
    if not (project.gold_share or project.repeat_share):
        return None
    percent = random.uniform(0, 100)
    if percent < project.gold_share:
        return assign_gold(member) if queue.has_prompt(member) else None
    if percent < project.gold_share + project.repeat_share:
        return assign_repeat(member) if queue.has_prompt(member) else None
    return None


def assign_gold(member: Member) -> Assignment | None:
    """Return an assignment of a random gold prompt that the member has never been given.

    Looks at every gold ranking: managers mark them by hand, so they are few, and have an index.
    """
    assigned = Assignment.objects.filter(prompt=OuterRef("prompt"), member=member)
    ranked = Ranking.objects.filter(prompt=OuterRef("prompt"), member=member)
    gold = Ranking.objects.filter(
        ~Exists(assigned),
        ~Exists(ranked),
        not_excluded(),
        is_gold=True,
        prompt__project=member.project_id,
        prompt__taken_out=False,
        prompt__practice=None,  # its answer is explained to labellers
        prompt__reserved=False,
    )
    ranking = gold.select_related("prompt").order_by("?").first()
    if ranking is None:
        return None
    return Assignment(
        prompt=ranking.prompt,
        member=member,
        order=shuffled(ranking.placements.values_list("response_id", flat=True)),
        responses_hash=ranking.responses_hash,
        gold=True,
    )


def assign_repeat(member: Member) -> Assignment | None:
    """Return an assignment of a prompt that the member ranked long enough ago, and only once.

    Chooses the one that was ranked closest to a random time, so that the member's work need not be
    read through.
    """
    ranked = Assignment.objects.ranked().filter(member=member)
    first = ranked.aggregate(first=Min("submitted_at"))["first"]
    until = timezone.now() - timedelta(days=member.project.repeat_after_days)
    if first is None or first > until:
        return None
    moment = first + random.random() * (until - first)
    later = ranked.filter(submitted_at__range=(moment, until)), "submitted_at"
    earlier = ranked.filter(submitted_at__lt=moment), "-submitted_at"
    one, other = random.sample((later, earlier), 2)
    before = first_repeatable(*one) or first_repeatable(*other)
    if before is None:
        return None
    return Assignment(
        prompt=before.prompt,
        member=member,
        order=shuffled(before.order),
        responses_hash=before.responses_hash,
        repeat=True,
    )


def first_repeatable(ranked: QuerySet[Assignment], order: str) -> Assignment | None:
    """Return the first of the NEAR first ranked assignments, in an order, that can be repeated.

    Passes over those that were repeated already, and prompts that are taken out of the queue.
    """
    same = {"prompt": OuterRef("prompt"), "member": OuterRef("member")}
    repeated = Assignment.objects.filter(repeat=True, **same)
    current = Ranking.objects.filter(is_current=True, origin=Origin.HERE, **same)
    near = Assignment.objects.filter(pk__in=ranked.order_by(order).values("pk")[:NEAR])
    once = near.filter(
        ~Exists(repeated),
        Exists(current),
        repeat=False,
        prompt__taken_out=False,
        prompt__project=F("member__project"),  # and not deleted
    )
    return once.select_related("prompt").order_by(order).first()


def shuffled(responses: Iterable[int]) -> list[int]:
    """Return the responses in a random order."""
    found = list(responses)
    return random.sample(found, len(found))


# ---- gold ----


class NotGoldError(Exception):
    """The ranking cannot measure others; the message says why."""


@dataclass(frozen=True)
class Marked:
    """A ranking that others are measured by from now on."""

    ranking: Ranking
    instead_of: Ranking | None  # the one of its prompt that was it until now


@transaction.atomic
def mark_gold(ranking: Ranking) -> Marked:
    """Make a ranking the only gold one of its prompt, against which others are measured.

    Raises NotGoldError for a ranking that does not count, that orders nothing, or that has fewer or
    more responses than a labeller can be shown.
    """
    Prompt.objects.select_for_update(no_key=True).get(pk=ranking.prompt_id)
    ranking.refresh_from_db(fields=["is_current"])
    if not ranking.is_current:
        raise NotGoldError(_("Only a ranking that counts can be gold; this one does not any more."))
    if not Ranking.objects.counting().filter(pk=ranking.pk).exists():
        raise NotGoldError(
            _("Only a ranking that counts can be gold; this labeller’s rankings are left out.")
        )
    ranks = ranking.ranks()
    if not MIN_RESPONSES <= len(ranks) <= MAX_RESPONSES:
        raise NotGoldError(
            _(
                "A gold ranking needs %(least)s to %(most)s responses, because labellers are shown "
                "as many; this one has %(number)s."
            )
            % {"least": MIN_RESPONSES, "most": MAX_RESPONSES, "number": len(ranks)}
        )
    if len(set(ranks.values())) == 1:
        raise NotGoldError(_("This ranking ties everything, so nobody can be measured by it."))
    gold = Ranking.objects.filter(prompt=ranking.prompt_id, is_gold=True)
    before = gold.exclude(pk=ranking.pk).select_related("member").first()
    gold.update(is_gold=False)
    Ranking.objects.filter(pk=ranking.pk).update(is_gold=True)
    return Marked(ranking, before)


def unmark_gold(ranking: Ranking) -> None:
    """Stop measuring others against a ranking. Members who were given its prompt keep it."""
    Ranking.objects.filter(pk=ranking.pk).update(is_gold=False)


def count_gold(project: Project) -> int:
    """Count the prompts of a project that have a gold ranking."""
    return Ranking.objects.filter(not_excluded(), prompt__project=project, is_gold=True).count()


def lacks_gold(project: Project) -> bool:
    """Return whether gold prompts are to be given and there are none."""
    gold = Ranking.objects.filter(not_excluded(), prompt__project=project, is_gold=True)
    return project.gold_share > 0 and not gold.exists()


def origin_of(assignment: Assignment) -> Origin:
    """Return the origin of rankings that are made of an assignment."""
    return Origin.REPEATED if assignment.repeat else Origin.HERE
