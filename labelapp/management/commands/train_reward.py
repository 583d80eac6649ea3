"""`manage.py train_reward --project SLUG`: train a reward model and store its scores."""

import argparse
import signal
from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp.management.options import add_project_option, get_open_project
from labelapp.models import Project, State, TrainingRun
from labelapp.runs import lifecycle
from labelapp.runs.caveats import caveat_sentences
from labelapp.runs.process import run_folder
from training import config as training_config
from training.config import option
from training.sentences import counted


class Command(BaseCommand):
    help = (
        "Train a reward model on a project's rankings and store its scores. "
        "The settings are those of python -m training.train; docs/training.md explains them."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_project_option(parser)
        parser.add_argument(
            "--unless-trained",
            action="store_true",
            help="do nothing if a finished run exists",
        )
        parser.add_argument(
            "--go-on",
            action="store_true",
            help="resume the project's last run, which failed or was stopped",
        )
        training_config.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        project = get_open_project(options["project"])
        if options["unless_trained"] and project.runs.scored().exists():
            self.stdout.write(f"{project.slug} already has a trained model.")
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
        was_trained = run_folder(run).is_trained
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C
        try:
            lifecycle.execute(run, show=True)
        except KeyboardInterrupt:
            how = "resume it with --go-on" if lifecycle.can_resume(run) else "start a new run"
            raise CommandError(f"stopped; {how}") from None
        if run.state != State.DONE:
            raise CommandError(run.reason)
        if was_trained:  # otherwise the training program has said them
            for sentence in caveat_sentences(run.metrics):
                self.stdout.write(sentence)
        self.stdout.write(describe(run.metrics))


def last_run(project: Project, options: dict[str, Any]) -> TrainingRun:
    """Return the last run for `--go-on`. Raises CommandError if settings are given as well."""
    settings = {field.name for field in fields(training_config.TrainConfig)}
    for name in settings.intersection(options):
        raise CommandError(f"--go-on keeps the settings of the run: leave out {option(name)}")
    run = project.runs.first()
    if run is None:
        raise CommandError(f"{project.slug} has no run yet")
    return run


def describe(metrics: dict[str, Any]) -> str:
    """Return a summary of a finished run."""
    held_out = metrics["held_out"]
    low, high = held_out["accuracy_low"], held_out["accuracy_high"]
    interval = (
        "too few prompts for an interval"
        if low is None
        else f"95% interval {low:.1%} to {high:.1%}"
    )
    return (
        f"Done in {metrics['seconds']:.0f} s. "
        f"On {counted(held_out['prompts'], 'held-out prompt')} the model orders "
        f"{held_out['accuracy']:.1%} of {counted(held_out['comparisons'], 'comparison')} as "
        f'people do ({interval}); "the longer one wins" orders {held_out["longer_wins"]:.1%}. '
        "The web pages show the scores."
    )
