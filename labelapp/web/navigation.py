"""The menu of a project: its pages in groups, and which of them a member may open."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django.views.defaults import page_not_found

from labelapp.models import Member, User
from labelapp.web.access import membership

May = Callable[[Member], Any]

IS_MEMBER: May = attrgetter("pk")  # not a superuser outside the project: rankings name a member
SEES_SCORES: May = attrgetter("sees_scores")
MANAGES: May = attrgetter("manages")
MAY_TRAIN: May = attrgetter("may_train")

PROJECT = re.compile(r"/projects/([-\w]+)/")


@dataclass(frozen=True)
class Page:
    """A page of a project, and who has it in their menu."""

    title: str | Promise
    name: str  # of the URL
    may_open: May
    below: tuple[str, ...] = ()  # how the names of the URLs below the page begin


GROUPS: list[tuple[str | Promise, list[Page]]] = [
    (
        _("Label"),
        [
            Page(pgettext_lazy("verb", "Rank"), "labelling", IS_MEMBER),
            Page(_("My work"), "work", IS_MEMBER, ("work_",)),
        ],
    ),
    (
        _("Data"),
        [
            Page(_("Prompts"), "prompts", SEES_SCORES, ("prompt",)),
            Page(_("Upload"), "uploads", MANAGES, ("upload",)),
            Page(_("Export"), "export", MAY_TRAIN, ("export_",)),
        ],
    ),
    (
        _("Quality"),
        [
            Page(_("Progress"), "progress", SEES_SCORES),
            Page(_("Agreement"), "agreement", SEES_SCORES, ("agreement_",)),
            Page(_("Disagreements"), "disagreements", SEES_SCORES, ("disagreement", "adjudicat")),
        ],
    ),
    (
        _("Model"),
        [
            Page(_("Runs"), "runs", SEES_SCORES, ("run", "grid")),
            Page(_("Models"), "models", SEES_SCORES, ("model_", "playground")),
            Page(_("Review"), "reviewing", SEES_SCORES, ("reviewing_",)),
        ],
    ),
    (
        _("Project"),
        [
            Page(_("People"), "people", MANAGES, ("person", "invitation")),
            Page(
                _("Settings"),
                "project_settings",
                MANAGES,
                ("project_settings", "project_delete", "webhook"),
            ),
        ],
    ),
]


@dataclass(frozen=True)
class Link:
    """A page in somebody's menu. `current` is the value of aria-current, or ""."""

    title: str | Promise
    url: str
    current: str


@dataclass(frozen=True)
class Group:
    """The pages of a group that a member may open."""

    title: str | Promise
    links: list[Link]

    @property
    def is_current(self) -> bool:
        return any(link.current for link in self.links)


@dataclass(frozen=True)
class Menu:
    """The links in the header of a project's pages, for one member."""

    overview: Link
    groups: list[Group]

    @property
    def trail(self) -> Link | None:
        """Return the page of the menu below which the shown page is, if any."""
        links = (link for group in self.groups for link in group.links)
        return next((link for link in links if link.current == "true"), None)

    @property
    def has_groups(self) -> bool:
        """Return whether the menu needs groups: a labeller's few pages stand side by side."""
        return len(self.groups) > 1


def menu(member: Member, here: str) -> Menu:
    """Return the menu of a member; `here` is the name of the URL that is shown."""
    slug = member.project.slug

    def link(page: Page) -> Link:
        is_below = here.startswith(page.below) if page.below else False
        current = "page" if here == page.name else "true" if is_below else ""
        return Link(page.title, reverse(page.name, args=[slug]), current)

    groups = [
        Group(title, [link(page) for page in pages if page.may_open(member)])
        for title, pages in GROUPS
    ]
    overview = link(Page(_("Overview"), "project", IS_MEMBER))
    return Menu(overview, [group for group in groups if group.links])


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Give templates the member who has opened a page of a project, and their menu.

    Pages of refusals have them, too: a view's own context comes before this one.
    """
    member: Member | None = getattr(request, "member", None)
    if member is None:
        return {}
    here = request.resolver_match.url_name if request.resolver_match else ""
    shown = SimpleLazyObject(lambda: menu(member, here or ""))
    return {"member": member, "project": member.project, "menu": shown}


def missing_page(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page of a 404, for a member with the project's menu; urls.py names it.

    An address that no view has may be below a project. Strangers get the page that they get for a
    project that is not there.
    """
    found = PROJECT.match(request.path_info)
    user = getattr(request, "user", None)
    if found and isinstance(user, User) and not hasattr(request, "member"):
        with suppress(Http404):
            request.member = membership(user, found[1])  # type: ignore[attr-defined]
    return page_not_found(request, exception)
