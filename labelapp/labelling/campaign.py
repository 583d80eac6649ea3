"""The end of a campaign: every ranking that was asked for is there."""

from labelapp.models import Assignment, Project
from labelapp.notifications.telling import tell_of_campaign


def tell_of_end(project: Project) -> None:
    """Tell managers if every ranking that was asked for is there.

    Called when somebody has submitted or skipped and gets no other task: seldom, and after the last
    ranking in any case.
    """
    newest = project.prompts.filter(rankings_wanted__gt=0).order_by("-pk").first()
    if newest is None or project.prompts.waiting().exists():
        return
    begun = Assignment.objects.open().filter(prompt__project=project, slot__isnull=False)
    if not begun.exists():
        # More prompts, or more rankings of each, end anew.
        tell_of_campaign(project, f"{newest.pk}-{newest.rankings_wanted}")
