"""`manage.py train_reward --project SLUG`: train, score, and show the scores in the pages."""

import argparse
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp import runs
from labelapp.models import Project, State
from training import config as training_config


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
            run = runs.start(project=project, config=config)
        except (ValueError, runs.CannotTrainError) as error:
            raise CommandError(str(error)) from error
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
        try:
            runs.execute(run, show=True)
        except KeyboardInterrupt:
            raise CommandError("stopped; the run is marked as failed") from None
        if run.state != State.DONE:
            raise CommandError(run.reason)
        self.stdout.write(describe(run.metrics))


def describe(metrics: dict[str, Any]) -> str:
    """What a finished run came to, with its yardstick."""
    held_out = metrics.get("held_out", {})
    accuracy, low, high, longer = (
        held_out.get(key) for key in ("accuracy", "accuracy_low", "accuracy_high", "longer_wins")
    )
    if accuracy is None or low is None or high is None or longer is None:
        return "Done. The scores are in the pages; no held-out prompt has a comparison to judge by."
    return (
        f"Done in {metrics['seconds']:.0f} s. On {held_out['prompts']} held-out prompts the model "
        f"orders {accuracy:.1%} of {held_out['comparisons']} comparisons as people do "
        f'(95 % interval {low:.1%} to {high:.1%}); "the longer one wins" orders {longer:.1%}. '
        "The scores are in the pages."
    )
