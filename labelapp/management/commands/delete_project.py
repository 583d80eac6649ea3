"""`manage.py delete_project SLUG`: delete a project with everything in it."""

import argparse
import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp.management.options import add_yes_option, confirm
from labelapp.models import Project
from labelapp.projects import deletion


class Command(BaseCommand):
    help = (
        "Delete a project with its prompts, rankings, runs and files. If it is interrupted, the "
        "project stays hidden; run it again to delete the rest."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", metavar="SLUG", help="slug of the project")
        add_yes_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["project"]
        project = Project.objects.filter(slug=slug).first()
        if project is None:
            raise CommandError(f"there is no project {slug!r}")
        self.stdout.write(f"{project.name} ({slug}) will be deleted with everything in it:")
        for noun, number in deletion.count(project).items():
            self.stdout.write(f"{number:>12,} {noun}{'s' * (number != 1)}")
        confirm(slug, options)
        try:
            deletion.begin(project, by=getpass.getuser())
            deletion.finish(project)
        except deletion.CannotDeleteError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("interrupted; run it again to delete the rest") from None
        self.stdout.write(f"Deleted the project {slug}.")
