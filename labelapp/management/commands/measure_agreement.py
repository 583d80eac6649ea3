"""`manage.py measure_agreement --project SLUG`: how far a project's labellers rank alike."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from labelapp.models import Project
from labelapp.quality.coefficients import measure
from labelapp.quality.control_checks import checks_by_prompt
from labelapp.quality.disagreements import Recorder
from labelapp.quality.measurement import store
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.results import Figure


class Command(BaseCommand):
    help = (
        "Measure how far a project's labellers rank alike, for you and for the project's page; "
        "docs/quality.md defines the figures. "
        "Needs numpy, which the pages do without."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--json", action="store_true", help="everything, for programs")
        # The task stores what is printed.
        parser.add_argument("--by-task", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        began = timezone.now()
        with Recorder(project) as recorder:
            found = measure(recorder.record(rankings_by_prompt(project)), checks_by_prompt(project))
            recorder.store()
        if not options["by_task"]:
            store(project, found, began)
        if options["json"]:
            self.stdout.write(json.dumps(found.to_json(), allow_nan=False))
            return
        self.stdout.write(
            f"Rankings: {found.rankings}, labellers: {found.labellers}, prompts: {found.prompts}. "
            f"Two or more have ranked {found.shared_prompts} of the prompts."
        )
        for figure in found.figures:
            self.stdout.write(f"{figure.name:20} {describe(figure)}")


def describe(figure: Figure) -> str:
    """A figure in a line."""
    if figure.value is None:
        return f"not defined: {figure.why_not}"
    interval = (
        figure.why_not
        if figure.low is None
        else f"95 % interval {figure.low:.3f} to {figure.high:.3f}"
    )
    return (
        f"{figure.value:.3f} ({interval}; chance {figure.chance:.3f}; "
        f"{figure.count} {figure.unit}, {figure.prompts} prompts)"
    )
