"""`manage.py create_project SLUG`: a new labelling campaign."""

import argparse
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labelapp.models import Project


class Command(BaseCommand):
    help = "Make a project, unless it is there already."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", help="default: the slug")
        parser.add_argument(
            "--guidelines-file",
            type=argparse.FileType(encoding="utf-8"),
            metavar="FILE",
            help="Markdown that labellers see",
        )
        parser.add_argument("--rankings-per-prompt", type=int, default=1)
        parser.add_argument("--no-ties", action="store_true", help="every rank only once")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["slug"]
        if Project.objects.filter(slug=slug).exists():
            self.stdout.write(f"The project {slug} is there already.")
            return
        project = Project(
            slug=slug,
            name=options["name"] or slug,
            guidelines=file.read() if (file := options["guidelines_file"]) else "",
            rankings_per_prompt=options["rankings_per_prompt"],
            ties_allowed=not options["no_ties"],
        )
        try:
            project.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        project.save()
        self.stdout.write(f"Made the project {slug}.")
