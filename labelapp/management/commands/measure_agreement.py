"""`manage.py measure_agreement --project SLUG`: measure the agreement of labellers."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from labelapp.management.options import add_project_option, get_open_project
from labelapp.models import AgreementMeasurement, State
from labelapp.quality.coefficients import measure
from labelapp.quality.control_checks import checks_by_prompt
from labelapp.quality.disagreements import Recorder
from labelapp.quality.rankings import rankings_by_prompt
from labelapp.quality.results import Figure
from training.sentences import counted


class Command(BaseCommand):
    help = (
        "Measure the agreement of a project's labellers, print it and show it on the project's "
        "page. docs/quality.md defines the figures. Needs numpy."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_project_option(parser)
        parser.add_argument("--json", action="store_true", help="print all results as JSON")
        # The background task stores the output itself.
        parser.add_argument("--by-task", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        project = get_open_project(options["project"])
        started = timezone.now()
        with Recorder(project) as recorder:
            agreement = measure(
                recorder.record(rankings_by_prompt(project, with_excluded=True)),
                checks_by_prompt(project),
            )
            recorder.store()
        if not options["by_task"]:
            AgreementMeasurement.objects.create(
                project=project,
                state=State.DONE,
                result=agreement.to_json(),
                started_at=started,
                finished_at=timezone.now(),
            )
        if options["json"]:
            self.stdout.write(json.dumps(agreement.to_json(), allow_nan=False))
            return
        self.stdout.write(
            f"Rankings: {agreement.rankings}, labellers: {agreement.labellers}, "
            f"prompts: {agreement.prompts}. "
            f"{counted(agreement.shared_prompts, 'prompt was', 'prompts were')} ranked by two or "
            "more labellers."
        )
        for figure in agreement.figures:
            self.stdout.write(f"{figure.name:20} {describe(figure)}")


def describe(figure: Figure) -> str:
    """Return a figure as one line of text."""
    if figure.value is None:
        return f"not defined: {figure.why_not}"
    interval = (
        figure.why_not
        if figure.low is None
        else f"95% interval {figure.low:.3f} to {figure.high:.3f}"
    )
    return (
        f"{figure.value:.3f} ({interval}; chance {figure.chance:.3f}; "
        f"{figure.count} {figure.unit}, {counted(figure.prompts, 'prompt')})"
    )
