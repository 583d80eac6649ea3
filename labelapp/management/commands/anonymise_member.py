"""`manage.py anonymise_member USERNAME`: erase who a person was, and keep their rankings."""

import argparse
import getpass
import shlex
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp.management.options import add_person_options, add_yes_option, confirm, get_person
from labelapp.projects import anonymisation


class Command(BaseCommand):
    help = (
        "Erase a person's names, sign-in, notes, comments and drafts, and close their account. "
        "Their rankings stay, under a name such as removed-12."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_person_options(parser)
        add_yes_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        person, name = get_person(options), options["username"]
        confirm(name, options)
        others = [
            f"{shlex.quote(other.name)} --project {other.project.slug}"
            for other in anonymisation.same_name(person)
        ]
        try:
            replaced = anonymisation.anonymise(person, by=getpass.getuser())
        except anonymisation.CannotAnonymiseError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{name} is now {replaced}.")
        for other in others:
            self.stdout.write(
                "Imported rankings have this name, too. If it is the same person, run: "
                f"manage.py anonymise_member {other}"
            )
