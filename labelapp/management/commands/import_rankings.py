"""`manage.py import_rankings FILE --project SLUG`: import rankings and prompts."""

import argparse
import time
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from labelapp.importing.importer import UNKNOWN_LABELLER, import_lines
from labelapp.importing.summary import Summary
from labelapp.management.errors import import_errors
from labelapp.management.options import (
    add_project_option,
    add_reading_options,
    get_open_project,
    lines_of,
    reading_options,
)
from labelapp.models import Project
from training.formats.ranking_file import MAX_NAME, RankingFile, open_ranking_file
from training.sentences import counted


class Command(BaseCommand):
    help = (
        "Import a file of rankings into a project: JSON, tables of text, workbooks or Parquet, "
        "in the shapes of docs/data-format.md. manage.py describe shows how a file is read. "
        "A line without a ranking becomes a prompt to be labelled. "
        "If a line is bad, nothing is imported, unless --skip-bad-lines is given."
    )
    rankings: ClassVar[bool] = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", help="the file to read; - for standard input")
        add_project_option(parser)
        parser.add_argument(
            "--skip-bad-lines",
            action="store_true",
            help="import the good lines and count the bad ones",
        )
        parser.add_argument(
            "--labeller",
            default=UNKNOWN_LABELLER,
            metavar="NAME",
            help="labeller of the lines that name none; default %(default)s",
        )
        add_reading_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        project = get_open_project(options["project"])
        if not 0 < len(options["labeller"]) <= MAX_NAME:
            raise CommandError(f"--labeller takes a name of at most {MAX_NAME} characters")
        start = time.monotonic()
        with (
            import_errors(options["file"]),
            open_ranking_file(
                options["file"], reading_options(options), rankings=self.rankings
            ) as file,
        ):
            summary = self.import_file(project, file, options)
        self.stdout.write(describe(summary, time.monotonic() - start))
        self.stdout.write("\n".join(lines_of(file.reading)))

    def import_file(self, project: Project, file: RankingFile, options: dict[str, Any]) -> Summary:
        with tqdm(
            total=file.size, unit="B", unit_scale=True, disable=None, desc=project.slug
        ) as bar:

            def lines() -> Any:
                for line in file:
                    yield line
                    if file.size is not None and file.raw.tell() > bar.n:
                        bar.update(file.raw.tell() - bar.n)

            return import_lines(
                project,
                lines(),
                report=lambda bad: tqdm.write(str(bad), file=self.stderr._out),
                rankings=self.rankings,
                labeller=options["labeller"],
                skip_bad_lines=options["skip_bad_lines"],
            )


def describe(summary: Summary, seconds: float) -> str:
    """Return a summary of an import."""
    parts = [
        f"{counted(summary.lines, 'line')} in {seconds:.1f} s:",
        f"added {counted(summary.prompts, 'prompt')}, {counted(summary.responses, 'response')},",
        f"{counted(summary.rankings, 'ranking')};",
        f"{counted(summary.queued, 'prompt now waits', 'prompts now wait')} for labellers.",
    ]
    if summary.name_themselves:
        revealing = counted(
            summary.name_themselves, "response reveals its model", "responses reveal their model"
        )
        parts.append(f"{revealing}; the project's page of prompts lists them.")
    if summary.unseen:
        unseen = counted(summary.unseen, "response has", "responses have")
        parts.append(f"{unseen} nothing that can be seen.")
    if summary.alike:
        parts.append(
            f"{counted(summary.alike, 'response differs', 'responses differ')} from another one "
            "to the same prompt only in invisible characters or in space around the text."
        )
    if summary.ids_left:
        ids = counted(
            summary.ids_left,
            "id was left out: its prompt has another id",
            "ids were left out: their prompts have other ids",
        )
        parts.append(f"{ids}.")
    if summary.already_there:
        parts.append(f"{counted(summary.already_there, 'line')} had already been imported.")
    if summary.rankings_left:
        ignored = counted(summary.rankings_left, "ranking was", "rankings were")
        parts.append(f"{ignored} ignored; see import_rankings.")
    if summary.bad_lines:
        parts.append(f"{counted(summary.bad_lines, 'bad line was', 'bad lines were')} left out.")
    return " ".join(parts)
