"""Create a project: its address, its first manager, and the steps that follow."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from labelapp.db.writer import write
from labelapp.models import Member, Project, Role, SetupStep, User
from labelapp.models.projects import RESERVED_SLUGS

SAME_CLICK = timedelta(seconds=10)
NO_LETTERS = "project"  # the slug of a name without a letter that an address can hold


class SlugTakenError(Exception):
    """Another project has taken the slug in the meantime."""


def free_slug(name: str) -> str:
    """Return a slug made from a name, with a number at its end if that is needed to be free."""
    longest = Project._meta.get_field("slug").max_length or 50
    base = slugify(name)[:longest].strip("-_") or NO_LETTERS
    begin = base[: longest - 6]
    same = Project.including_hidden.filter(slug__startswith=begin)
    taken = {*RESERVED_SLUGS, *same.values_list("slug", flat=True)}
    number, free = 1, base
    while free in taken:
        number += 1
        free = f"{base[: longest - len(str(number)) - 1]}-{number}"
    return free


def create(*, manager: User, project: Project) -> Project:
    """Save a new project with its first manager. Without a slug, it gets one from its name.

    Raises SlugTakenError if another project got the slug a moment ago.
    """
    with transaction.atomic():
        project.slug = project.slug or free_slug(project.name)
        save_new(project)
        Member.objects.create(
            project=project, user=manager, name=manager.username, role=Role.MANAGER
        )
    return project


def create_once(*, manager: User, project: Project) -> Project:
    """Create a project as create does, or return the one that the same click has just created."""
    with write():
        return created_just_now(manager, project.name, project.slug) or create(
            manager=manager, project=project
        )


@transaction.atomic
def created_just_now(manager: User, name: str, slug: str = "") -> Project | None:
    """Return the project that a manager has created a moment ago by the same name, or None.

    It was created by the first click of two. A person's clicks take turns in this transaction.
    """
    User.objects.select_for_update(no_key=True).get(pk=manager.pk)
    same = Project.objects.open().filter(name=name, created_at__gt=timezone.now() - SAME_CLICK)
    if slug:
        same = same.filter(slug=slug)
    return same.filter(members__user=manager, members__role=Role.MANAGER).order_by("-pk").first()


def save_new(project: Project) -> None:
    """Insert a project. Raises SlugTakenError if another one has its slug."""
    with slug_taken(project):
        project.save(force_insert=True)


def change(project: Project, fields: Collection[str]) -> None:
    """Save some fields of a project. Raises SlugTakenError if another one has its slug."""
    with slug_taken(project):
        project.save(update_fields=fields)


@contextmanager
def slug_taken(project: Project) -> Iterator[None]:
    """Raise SlugTakenError for what the database refuses because of the project's slug."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        others = Project.including_hidden.exclude(pk=project.pk)
        if others.filter(slug=project.slug).exists():
            raise SlugTakenError from error
        raise


def go_to_step(project: Project, step: SetupStep | None) -> None:
    """Record the step of the setup that comes next; None ends the setup."""
    project.setup_step = step or ""
    project.save(update_fields=["setup_step"])
