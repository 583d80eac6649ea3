"""`manage.py create_project SLUG`: create a project."""

import argparse
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labelapp.exporting.manifest import ManifestError, make_project, read_manifest
from labelapp.models import Project


class Command(BaseCommand):
    help = "Create a project, unless it already exists."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("slug", help="the name in addresses and commands")
        parser.add_argument("--name", help="the name that people see; default: the slug")
        parser.add_argument(
            "--guidelines-file",
            type=argparse.FileType(encoding="utf-8"),
            metavar="FILE",
            help="file with the guidelines for labellers, in Markdown",
        )
        parser.add_argument(
            "--rankings-per-prompt", type=int, help="labellers per prompt; default: 1"
        )
        parser.add_argument("--no-ties", action="store_true", help="do not allow tied responses")
        parser.add_argument(
            "--no-practice",
            action="store_true",
            help="labellers begin with their first prompt, without practice prompts",
        )
        parser.add_argument(
            "--from-manifest",
            metavar="FILE",
            help="take the settings, and the people of an archive, from the manifest of an export",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["slug"]
        project = Project.objects.filter(slug=slug).first()
        if project is not None and project.deleted_at is not None:
            raise CommandError(
                f"the earlier project {slug} is being deleted: choose another slug, or finish that "
                f"first with manage.py delete_project {slug}"
            )
        if project is not None:
            self.stdout.write(f"The project {slug} already exists.")
            return
        options_given = {
            "name": options["name"] or None,
            "guidelines": file.read() if (file := options["guidelines_file"]) else None,
            "rankings_per_prompt": options["rankings_per_prompt"],
            "ties_allowed": False if options["no_ties"] else None,
            "practice": None if options["from_manifest"] else not options["no_practice"],
        }
        settings = {name: value for name, value in options_given.items() if value is not None}
        path = options["from_manifest"]
        try:
            manifest = read_manifest(path) if path else {"project": {"name": slug}}
            make_project(manifest, slug=slug, **settings)
        except ManifestError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"Created the project {slug}.")
