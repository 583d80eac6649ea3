"""Gold and repeated prompts, as tests bring them about."""

from datetime import datetime, timedelta

from django.utils import timezone

from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Prompt, Ranking
from tests.labelapp.labelling.acting import ABCD, submit, task


def share(member: Member, **shares: int) -> None:
    """Change the shares of a member's project, for this member as they are now."""
    Project.objects.filter(pk=member.project_id).update(**shares)
    member.project.refresh_from_db()


def rank(assignment: Assignment, verdict: RankingInput | None = None) -> Ranking:
    return submit(assignment=assignment, entered=verdict or RankingInput(ABCD))


def until(member: Member, kind: str) -> Assignment:
    """Rank as the member until a gold or repeated prompt is in front of them."""
    for _ in range(40):
        assignment = task(member)
        if getattr(assignment, kind):
            return assignment
        rank(assignment)
    raise AssertionError(f"no {kind} came")


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def first_of(repeat: Assignment) -> Assignment:
    return Assignment.objects.get(prompt=repeat.prompt_id, member=repeat.member_id, repeat=False)


def needed() -> dict[int, tuple[int, int]]:
    """Return the numbers of rankings that every prompt wants and needs."""
    rows = Prompt.objects.values_list("pk", "rankings_wanted", "rankings_needed")
    return {pk: (wanted, needs) for pk, wanted, needs in rows}
