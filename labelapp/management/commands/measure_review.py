"""`manage.py measure_review RUN`: measure the figures of a run's review."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp.models import TrainingRun
from labelapp.reviewing.figures import measure, store_margins


class Command(BaseCommand):
    help = (
        "Measure how the model of a finished run compares with people: sources, raters and "
        "rewards. Prints the figures of its review page as JSON, and stores the margins by which "
        "the list is sorted. Needs numpy."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="the number of the run")

    def handle(self, *args: Any, **options: Any) -> None:
        run = TrainingRun.objects.scored().filter(pk=options["run"]).first()
        if run is None:
            raise CommandError(f"there is no finished run {options['run']}; see the page of runs")
        review, margins = measure(run)
        store_margins(run, margins)
        self.stdout.write(json.dumps(review.to_json(), allow_nan=False))
