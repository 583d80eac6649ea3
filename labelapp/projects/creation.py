"""Create a project: its address, its first manager, and the steps that follow."""

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from labelapp.models import Member, Project, Role, SetupStep, User
from labelapp.models.projects import RESERVED_SLUGS

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


def save_new(project: Project) -> None:
    """Insert a project. Raises SlugTakenError if another one has its slug."""
    try:
        with transaction.atomic():
            project.save(force_insert=True)
    except IntegrityError as error:
        if Project.including_hidden.filter(slug=project.slug).exists():
            raise SlugTakenError from error
        raise


def go_to_step(project: Project, step: SetupStep | None) -> None:
    """Record the step of the setup that comes next; None ends the setup."""
    project.setup_step = step or ""
    project.save(update_fields=["setup_step"])
