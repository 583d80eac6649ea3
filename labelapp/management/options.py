"""The --project option that most commands share."""

import argparse

from django.core.management.base import CommandError

from labelapp.models import Project


def add_project_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", required=True, metavar="SLUG")


def get_project(slug: str) -> Project:
    """Return a project. Raises CommandError if there is none with this slug."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise CommandError(
            f"there is no project {slug!r}; create it with manage.py create_project {slug}"
        )
    return project
