"""The list of projects, and the counts of a project."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet, Value
from django.urls import reverse

from labelapp.db.cache import Cached, cached, cached_each
from labelapp.labelling import queue
from labelapp.labelling.own_progress import COUNTED, Waiting, tell
from labelapp.models import Assignment, Member, Project, Prompt, Ranking, Response, Role, User

SWITCHED = 30  # projects in the header's list at most


@dataclass(frozen=True)
class Counts:
    """The figures of a project."""

    prompts: int
    responses: int
    rankings: int  # current rankings, imported ones included
    waiting: int  # prompts that need another labeller
    members: int  # members who can sign in

    @property
    def rows(self) -> int:
        return self.prompts + self.responses + self.rankings


@dataclass(frozen=True)
class ProjectCard:
    """A project in the list of a user's projects."""

    project: Project
    role: str
    rankings: int
    ranked: int  # prompts that the user has ranked
    waiting: Waiting  # prompts that the user has started or could get


def cached_counts(project: Project) -> Cached[Counts]:
    """Return the project's figures; those of a very large project may be a minute old."""
    return cached(f"counts-{project.pk}", lambda: count(project), lambda counts: counts.rows)


def count(project: Project) -> Counts:
    prompts = Prompt.objects.filter(project=project)
    return Counts(
        prompts=prompts.count(),
        responses=Response.objects.filter(prompt__project=project).count(),
        rankings=Ranking.objects.counting().filter(prompt__project=project).count(),
        waiting=prompts.waiting().count(),
        members=project.members.filter(is_active=True, user__is_active=True).count(),
    )


def overview(user: User) -> list[ProjectCard]:
    """Return the open projects of `user`, with their role and the work that waits."""
    projects = list(Project.objects.visible_to(user).open())
    own = list(
        user.memberships.filter(
            project__deleted_at=None, project__archived_at=None, is_active=True
        ).select_related("project")
    )
    memberships = {member.project_id: member for member in own}
    rankings = cached_each("rankings", [project.pk for project in projects], current_rankings)
    active = [member for member in own if not member.project.paused]
    held = Assignment.objects.held().filter(member__user=user)
    begun = dict(held.values_list("member__project").annotate(Count("pk")))
    waiting = {project: Waiting(number) for project, number in begun.items()}  # of those on hold
    for member, waits in zip(active, queue.count_each(active, COUNTED), strict=True):
        waiting[member.project_id] = tell(member, waits, begun.get(member.project_id, 0))
    return [
        ProjectCard(
            project=project,
            role=member.role if member else "administrator",
            rankings=rankings.get(project.pk, 0),
            ranked=member.ranked if member else 0,
            waiting=waiting.get(project.pk, Waiting(0)),
        )
        for project, member in ((each, memberships.get(each.pk)) for each in projects)
    ]


def to_switch_to(user: User) -> QuerySet[Project]:
    """Return the projects that the header offers. Longer lists are on the start page."""
    return Project.objects.visible_to(user).open()[:SWITCHED]


def archived(user: User) -> QuerySet[Project]:
    """Return the archived projects of `user`, the last ones first.

    Each is annotated with `may_restore`: the user manages it.
    """
    managed = Member.objects.filter(
        project=OuterRef("pk"), user=user, role=Role.MANAGER, is_active=True
    )
    may_restore = Value(True) if user.is_superuser else Exists(managed)
    projects = Project.objects.visible_to(user).filter(archived_at__isnull=False)
    return projects.annotate(may_restore=may_restore).order_by("-archived_at")


def current_rankings(projects: Sequence[int]) -> dict[int, int]:
    """Return the number of current rankings by project."""
    current = Ranking.objects.counting().filter(prompt__project__in=projects)
    return dict(current.values_list("prompt__project").annotate(Count("pk")))


def first_page(user: User) -> str:
    """Return the address of what a person sees first after signing in.

    In their only project that is their next prompt, the last run or the overview, by their role.
    Who has several, or none, sees the list of projects.
    """
    own = Member.objects.filter(user=user, is_active=True, project__in=Project.objects.open())
    members = list(own.select_related("project")[:2])
    if user.is_superuser or len(members) != 1:
        return reverse("projects")
    member, slug = members[0], members[0].project.slug
    if not member.sees_scores:
        return reverse("labelling", args=[slug])
    run = None if member.manages else member.project.runs.order_by("-pk").first()
    return reverse("run", args=[slug, run.pk]) if run else reverse("project", args=[slug])
