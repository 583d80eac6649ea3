"""Projects and the people in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count

from labelapp.db.cache import Kept, kept, kept_each
from labelapp.labelling import queue
from labelapp.labelling.assignments import COUNTED
from labelapp.models import (
    Assignment,
    Member,
    Project,
    Prompt,
    Ranking,
    Response,
    Role,
    State,
    User,
)


@dataclass(frozen=True)
class Counts:
    """A project in figures."""

    prompts: int
    responses: int
    rankings: int  # current ones, imported ones included
    waiting: int  # prompts that still need a labeller
    members: int  # people who can sign in

    @property
    def rows(self) -> int:
        return self.prompts + self.responses + self.rankings


@dataclass(frozen=True)
class ProjectCard:
    project: Project
    role: str
    rankings: int
    ranked: int  # prompts that this person has ranked
    waiting: int  # prompts that this person has begun or could be given; counted to COUNTED

    @property
    def many_wait(self) -> bool:
        return self.waiting >= COUNTED


def counts(project: Project) -> Kept[Counts]:
    """The project's figures; those of a very large one may be of a minute ago."""
    return kept(f"counts-{project.pk}", lambda: count(project), lambda found: found.rows)


def count(project: Project) -> Counts:
    prompts = Prompt.objects.filter(project=project)
    return Counts(
        prompts=prompts.count(),
        responses=Response.objects.filter(prompt__project=project).count(),
        rankings=Ranking.objects.filter(prompt__project=project, is_current=True).count(),
        waiting=prompts.waiting().count(),
        members=project.members.filter(is_active=True, user__is_active=True).count(),
    )


@dataclass(frozen=True)
class Quality:
    """The last measurement of agreement, as the front page shows it."""

    agreement: float | None
    undecided: int  # prompts on which labellers disagree, without an adjudicated ranking


def quality(project: Project) -> Quality | None:
    """Return what was measured last, or None if agreement was never measured."""
    last = project.measurements.filter(state=State.DONE).first()
    if last is None:
        return None
    return Quality(last.agreement, project.disagreements.undecided().count())


def overview(user: User) -> list[ProjectCard]:
    """The projects a person may open, with their role and what there is to do."""
    projects = list(Project.objects.visible_to(user))
    own = list(user.memberships.filter(is_active=True).select_related("project"))
    memberships = {member.project_id: member for member in own}
    rankings = kept_each("rankings", [project.pk for project in projects], current_rankings)
    active = [member for member in own if not member.project.paused]
    waiting = Counter(queue.count_each(active, COUNTED))
    begun = Assignment.objects.held().filter(member__user=user)
    waiting.update(dict(begun.values_list("member__project").annotate(Count("pk"))))
    return [
        ProjectCard(
            project=project,
            role=member.role if member else "administrator",
            rankings=rankings.get(project.pk, 0),
            ranked=member.ranked if member else 0,
            waiting=waiting[project.pk],
        )
        for project, member in ((each, memberships.get(each.pk)) for each in projects)
    ]


def current_rankings(projects: Sequence[int]) -> dict[int, int]:
    """How many there are in each project."""
    current = Ranking.objects.filter(prompt__project__in=projects, is_current=True)
    return dict(current.values_list("prompt__project").annotate(Count("pk")))


def create(*, manager: User, project: Project) -> Project:
    """Save a new project with its first manager."""
    with transaction.atomic():
        project.save()
        Member.objects.create(
            project=project, user=manager, name=manager.username, role=Role.MANAGER
        )
    return project
