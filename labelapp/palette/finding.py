"""Find what a member may open by a few words of its name."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from labelapp.db.contents import search_prompts
from labelapp.models import Member, Project, TrainingRun, User
from labelapp.web.navigation import menu

MAX_SEARCH = 200  # characters
MIN_TEXT = 3  # characters, for a search in the texts of prompts: fewer are in nearly all
MOST = 6  # entries of a kind


@dataclass(frozen=True)
class Entry:
    """Something that can be opened."""

    title: str | Promise
    url: str
    detail: str | Promise = ""


@dataclass(frozen=True)
class Section:
    """The entries of one kind."""

    title: str
    entries: list[Entry]


def find(member: Member, user: User, search: str) -> list[Section]:
    """Return what matches every word of the search; for an empty one the pages and projects."""
    words = search.casefold().split()
    project = member.project
    sections = [Section(_("Pages"), pages(member, words))]
    if member.sees_scores and words:
        sections += [
            Section(_("Prompts"), prompts(project, search)),
            Section(_("Runs"), runs(project, words)),
            Section(_("People"), people(project, words)),
        ]
    sections.append(Section(_("Other projects"), projects(user, project, words)))
    return [section for section in sections if section.entries]


def pages(member: Member, words: list[str]) -> list[Entry]:
    shown = menu(member, "")
    slug = member.project.slug
    found = [Entry(shown.overview.title, shown.overview.url)]
    found += [
        Entry(link.title, link.url, group.title if shown.has_groups else "")
        for group in shown.groups
        for link in group.links
    ]
    if member.may_train:
        found.append(Entry(_("New run"), reverse("run_new", args=[slug])))
    if member.manages:
        found.append(Entry(_("Invite people"), reverse("invitations", args=[slug])))
    found.append(Entry(_("Your account"), reverse("account")))
    return [entry for entry in found if matches(words, f"{entry.title} {entry.detail}")]


def matches(words: Iterable[str], text: str) -> bool:
    return all(word in text.casefold() for word in words)


def prompts(project: Project, search: str) -> list[Entry]:
    if len(search) < MIN_TEXT:
        return []
    found = search_prompts(project.prompts.all(), search, project).order_by("pk")[:MOST]
    return [
        Entry(str(prompt), reverse("prompt", args=[project.slug, prompt.pk])) for prompt in found
    ]


def runs(project: Project, words: list[str]) -> list[Entry]:
    found = TrainingRun.objects.filter(project=project).only("pk", "name", "state")
    for word in words:
        named = Q(name__icontains=word) | Q(note__icontains=word) | Q(tags__icontains=word)
        if word.isdecimal() and len(word) <= 18:
            named |= Q(pk=int(word))
        elif word in "run":
            named |= Q(name="")
        found = found.filter(named)
    return [
        Entry(run.title, reverse("run", args=[project.slug, run.pk]), run.get_state_display())
        for run in found.order_by("-pk")[:MOST]
    ]


def people(project: Project, words: list[str]) -> list[Entry]:
    found = project.members.filter(user__isnull=False, is_active=True)
    for word in words:
        found = found.filter(name__icontains=word)
    return [
        Entry(
            person.name,
            reverse("person", args=[project.slug, person.pk]),
            person.get_role_display(),
        )
        for person in found.order_by("name")[:MOST]
    ]


def projects(user: User, here: Project, words: list[str]) -> list[Entry]:
    found = Project.objects.visible_to(user).filter(archived_at=None).exclude(pk=here.pk)
    for word in words:
        found = found.filter(name__icontains=word)
    return [Entry(project.name, project.get_absolute_url()) for project in found[:MOST]]
