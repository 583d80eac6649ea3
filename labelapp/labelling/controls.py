"""Controls: tasks that measure the labeller, not the responses. They cannot tell which these are.

A gold prompt has a ranking by which others are measured; a repeated one was ranked by the same
labeller some days ago. A control holds no slot: it takes nothing from what the prompt wants.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from labelapp.labelling import queue, sql
from labelapp.models import (
    MAX_RESPONSES,
    MIN_RESPONSES,
    Assignment,
    Member,
    Origin,
    Project,
    Prompt,
    Ranking,
)


def draw(member: Member) -> Assignment | None:
    """A control for a member who has taken their turn, unsaved and without a lease, by chance.

    As often as the project's settings have it. None where none is due, and where nothing waits for
    the member: controls stand between tasks, and do not take their place.
    """
    project = member.project
    if not (project.gold_share or project.repeat_share):
        return None
    among_a_hundred = random.uniform(0, 100)
    if among_a_hundred < project.gold_share:
        return gold_task(member) if queue.holds_some(member) else None
    if among_a_hundred < project.gold_share + project.repeat_share:
        return repeat_task(member) if queue.holds_some(member) else None
    return None


def gold_task(member: Member) -> Assignment | None:
    """A prompt with a gold ranking that the member has not had in any way, at random."""
    found = sql.gold_ranking(member)
    if found is None:
        return None
    ranking, prompt = found
    order = sql.ranked_responses(ranking)
    return Assignment(prompt_id=prompt, member=member, order=shuffled(order), gold=True)


def repeat_task(member: Member) -> Assignment | None:
    """A prompt that the member ranked long enough ago, and has not been given again.

    The one that was ranked next to a random moment: so nobody's work is read through to choose.
    """
    first = sql.first_submit(member)
    until = timezone.now() - timedelta(days=member.project.repeat_after_days)
    if first is None or first > until:
        return None
    moment = first + random.random() * (until - first)
    before = sql.task_to_repeat(
        member, moment=moment, until=until, later_first=random.random() < 0.5
    )
    if before is None:
        return None
    order = shuffled(before.order)
    return Assignment(prompt_id=before.prompt_id, member=member, order=order, repeat=True)


def shuffled(responses: Sequence[int]) -> list[int]:
    return random.sample(responses, len(responses))


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
    """Have others measured by a ranking, the only one of its prompt.

    Raises NotGoldError for one that does not count, for one that orders nothing, and for one of
    fewer or more responses than a labeller can be shown.
    """
    Prompt.objects.select_for_update(no_key=True).get(pk=ranking.prompt_id)
    ranking.refresh_from_db(fields=["is_current"])
    if not ranking.is_current:
        raise NotGoldError("Only a ranking that counts can be gold; this one does not any more.")
    ranks = ranking.ranks()
    if not MIN_RESPONSES <= len(ranks) <= MAX_RESPONSES:
        raise NotGoldError(
            f"A gold ranking needs {MIN_RESPONSES} to {MAX_RESPONSES} responses, because labellers "
            f"are shown as many; this one has {len(ranks)}."
        )
    if len(set(ranks.values())) == 1:
        raise NotGoldError("This ranking ties everything, so nobody can be measured by it.")
    gold = Ranking.objects.filter(prompt=ranking.prompt_id, is_gold=True)
    before = gold.exclude(pk=ranking.pk).select_related("member").first()
    gold.update(is_gold=False)
    Ranking.objects.filter(pk=ranking.pk).update(is_gold=True)
    return Marked(ranking, before)


def unmark_gold(ranking: Ranking) -> None:
    """Have nobody measured by a ranking any more. Who was given its prompt keeps it."""
    Ranking.objects.filter(pk=ranking.pk).update(is_gold=False)


def count_gold(project: Project) -> int:
    """How many prompts of a project have a gold ranking."""
    return Ranking.objects.filter(prompt__project=project, is_gold=True).count()


def lacks_gold(project: Project) -> bool:
    """Whether gold prompts are to be given and there are none."""
    gold = Ranking.objects.filter(prompt__project=project, is_gold=True)
    return project.gold_share > 0 and not gold.exists()


def origin_of(assignment: Assignment) -> Origin:
    """What a ranking is that is made of a task."""
    return Origin.REPEATED if assignment.repeat else Origin.HERE
