"""`manage.py train_reward --project SLUG`: train, score, and show the scores in the pages."""

import argparse
import signal
from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp.models import Project, State, TrainingRun
from labelapp.runs import lifecycle
from training import config as training_config
from training.config import option


class Command(BaseCommand):
    help = (
        "Train a reward model on a project's rankings and store its scores. "
        "The settings are those of python -m training.train; docs/training.md explains them."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--unless-trained", action="store_true", help="do nothing if a finished run is there"
        )
        parser.add_argument(
            "--go-on",
            action="store_true",
            help="go on with the project's last run, which failed or was stopped, where it was",
        )
        training_config.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        if options["unless_trained"] and project.runs.scored().exists():
            self.stdout.write(f"{project.slug} has a trained model already.")
            return
        try:
            config = training_config.from_arguments(argparse.Namespace(**options))
            if options["go_on"]:
                run = last_run(project, options)
                lifecycle.resume(run)
            else:
                run = lifecycle.start(project=project, config=config)
        except (ValueError, lifecycle.CannotTrainError) as error:
            raise CommandError(str(error)) from error
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
        try:
            lifecycle.execute(run, show=True)
        except KeyboardInterrupt:
            how = "--go-on goes on where it was" if lifecycle.can_resume(run) else "begin anew"
            raise CommandError(f"stopped; {how}") from None
        if run.state != State.DONE:
            raise CommandError(run.reason)
        self.stdout.write(describe(run.metrics))


def last_run(project: Project, options: dict[str, Any]) -> TrainingRun:
    """What `--go-on` goes on with. Raises CommandError where settings are given beside it."""
    settings = {field.name for field in fields(training_config.TrainConfig)}
    for name in settings.intersection(options):
        raise CommandError(f"--go-on keeps the run's settings: leave out {option(name)}")
    run = project.runs.first()
    if run is None:
        raise CommandError(f"{project.slug} has no run yet")
    return run


def describe(metrics: dict[str, Any]) -> str:
    """What a finished run came to, with its yardstick."""
    found = metrics["held_out"]
    low, high = found["accuracy_low"], found["accuracy_high"]
    interval = (
        "too few prompts for an interval"
        if low is None
        else f"95 % interval {low:.1%} to {high:.1%}"
    )
    return (
        f"Done in {metrics['seconds']:.0f} s. On {found['prompts']} held-out prompts the model "
        f"orders {found['accuracy']:.1%} of {found['comparisons']} comparisons as people do "
        f'({interval}); "the longer one wins" orders {found["longer_wins"]:.1%}. '
        "The scores are in the pages."
    )
