"""`manage.py export_member USERNAME`: export what is stored about a person."""

import argparse
import os
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp.management.options import add_person_options, get_person
from labelapp.projects import personal_data


class Command(BaseCommand):
    help = "Export everything that is stored about a person, as JSON. Give them the file."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_person_options(parser)
        parser.add_argument(
            "--output", metavar="FILE", help="the file to write; default: standard output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        pieces = personal_data.export(get_person(options))
        path = options["output"]
        if path is None:
            for piece in pieces:
                self.stdout.write(piece, ending="")
            return
        try:
            with open(path, "x", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file:
                file.writelines(pieces)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
        self.stdout.write(f"Exported what is stored about {options['username']}: {path}.")
