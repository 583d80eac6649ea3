"""Notify managers when a campaign has every ranking it asked for."""

from labelapp.models import Assignment, Project
from labelapp.notifications.telling import tell_of_campaign


def tell_of_end(project: Project) -> None:
    """Notify managers if the project has every ranking it asked for.

    Called when a labeller gets no further task after a submit or skip, which is rare, and is always
    the case after the last ranking.
    """
    newest = project.prompts.filter(rankings_wanted__gt=0).order_by("-pk").first()
    if newest is None or project.prompts.waiting().exists():
        return
    begun = Assignment.objects.open().filter(prompt__project=project, slot__isnull=False)
    if not begun.exists():
        # With more prompts, or more rankings of each, the campaign ends once more.
        tell_of_campaign(project, f"{newest.pk}-{newest.rankings_wanted}")
