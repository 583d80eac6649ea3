"""`manage.py promote_model`: register the model of a run, and make it the champion."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp.management.options import add_project_option, get_open_project
from labelapp.models import Project, TrainingRun
from labelapp.registry import promotion, versions

MOST_CHARACTERS = 1000


class Command(BaseCommand):
    help = (
        "Register the model of a finished run and make it the champion, whose rewards trainers "
        "get. Prints the evidence. Refused if the model does not pass a gate of the project."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_project_option(parser)
        parser.add_argument(
            "--run", type=int, metavar="NUMBER", help="number of the run; default: the newest"
        )
        parser.add_argument("--reason", required=True, help="why; kept with the promotion")
        parser.add_argument(
            "--anyway", action="store_true", help="promote although a gate is not passed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        reason = options["reason"].strip()
        if not 0 < len(reason) <= MOST_CHARACTERS:
            raise CommandError(f"--reason must have 1 to {MOST_CHARACTERS} characters")
        run = find_run(get_open_project(options["project"]), options["run"])
        try:
            version = versions.register(run)
            prepared = promotion.prepare(version)
            if prepared.champion == version:
                self.stdout.write(f"{version.name} (run {run.pk}) is the champion already.")
                return
            self.show(prepared)
            if prepared.is_blocked and not options["anyway"]:
                raise CommandError(
                    f"{version.name} does not pass every gate, so nothing was promoted; add "
                    "--anyway to promote it nevertheless"
                )
            seen = prepared.champion.number if prepared.champion else None
            promotion.promote(prepared, seen=seen, reason=reason)
        except versions.RegistryError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{version.name} (run {run.pk}) is the champion.")

    def show(self, prepared: promotion.Promotion) -> None:
        """Print the evidence in a sentence, and each gate."""
        if prepared.headline:
            self.stdout.write(prepared.headline[0])
        for gate in prepared.gates:
            result = "passed" if gate.is_passed else "not passed"
            self.stdout.write(f"Gate {result}: {gate.condition}. {gate.detail}")


def find_run(project: Project, number: int | None) -> TrainingRun:
    """Return the run with a number, or the newest finished one. Raises CommandError."""
    if number is None:
        run = project.runs.scored().first()
        if run is None:
            raise CommandError(
                f"{project.slug} has no finished run; train one with manage.py train_reward"
            )
        return run
    found = project.runs.filter(pk=number).first()
    if found is None:
        raise CommandError(f"{project.slug} has no run {number}; see its page of runs")
    return found
