"""A project's own practice prompts, chosen among those that have a gold ranking."""

from django.db import transaction
from django.db.models import QuerySet

from labelapp.models import PracticePrompt, Project, Prompt

MOST = 5  # practice prompts of a project


def gold_prompts(project: Project) -> QuerySet[Prompt]:
    """Return the project's prompts with a gold ranking that are not practice prompts yet."""
    prompts = Prompt.objects.filter(project=project, rankings__is_gold=True, practice=None)
    return prompts.order_by("-pk")


@transaction.atomic
def choose(prompt: Prompt, project: Project) -> bool:
    """Make a prompt a practice prompt. Return False if the project has as many as it may."""
    # Locked, so that two who add the last one at once take turns.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    chosen = project.practice_prompts.exclude(prompt=prompt)
    if chosen.count() >= MOST:
        return False
    PracticePrompt.objects.get_or_create(prompt=prompt, defaults={"project": project})
    return True
