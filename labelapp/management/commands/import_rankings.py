"""`manage.py import_rankings FILE --project SLUG`: import rankings and prompts."""

import argparse
import time
from typing import Any, ClassVar, get_args

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from labelapp.importing.importer import UNKNOWN_LABELLER, Summary, import_lines
from labelapp.management.errors import import_errors
from labelapp.management.options import add_project_option, get_project
from labelapp.models import Project
from training.formats.ranking_file import MAX_NAME, Format, RankingFile, open_ranking_file


class Command(BaseCommand):
    help = (
        "Import a file of rankings into a project: JSONL, CSV, Parquet, TRL pairs or Open "
        "Assistant trees. docs/data-format.md describes the formats. "
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
            "--format", choices=get_args(Format), help="default: detected from the file"
        )
        parser.add_argument(
            "--delimiter",
            type=lambda text: "\t" if text in ("\\t", "tab") else text,
            help="separator of the columns of a CSV; default: detected from its header",
        )
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="the column of a field in a table with one response per row, such as "
            "response=answer; FIELD= ignores a field. Can be repeated",
        )
        parser.add_argument(
            "--labeller",
            default=UNKNOWN_LABELLER,
            metavar="NAME",
            help="labeller of the lines that name none; default %(default)s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = get_project(options["project"])
        if options["delimiter"] is not None and len(options["delimiter"]) != 1:
            raise CommandError("--delimiter takes one character")
        if not 0 < len(options["labeller"]) <= MAX_NAME:
            raise CommandError(f"--labeller takes a name of at most {MAX_NAME} characters")
        start = time.monotonic()
        with (
            import_errors(),
            open_ranking_file(
                options["file"],
                format=options["format"],
                delimiter=options["delimiter"],
                rankings=self.rankings,
                columns=named_columns(options["column"]),
            ) as file,
        ):
            summary = self.import_file(project, file, options)
        self.stdout.write(describe(summary, time.monotonic() - start))

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


def named_columns(given: list[str]) -> dict[str, str] | None:
    """Return the columns by field from the values of --column, or None without any."""
    for pair in given:
        if "=" not in pair:
            raise CommandError(f"--column takes FIELD=COLUMN, not {pair!r}")
    return dict(pair.split("=", 1) for pair in given) or None


def describe(summary: Summary, seconds: float) -> str:
    """Return a summary of an import."""
    added = f"{summary.prompts:,} prompts, {summary.responses:,} responses"
    parts = [
        f"{summary.lines:,} lines in {seconds:.1f} s:",
        f"added {added}, {summary.rankings:,} rankings;",
        f"{summary.queued:,} prompts now wait for labellers.",
    ]
    if summary.name_themselves:
        parts.append(
            f"{summary.name_themselves:,} responses reveal their model; "
            "the project's page of prompts lists them."
        )
    if summary.already_there:
        parts.append(f"{summary.already_there:,} lines had already been imported.")
    if summary.rankings_left:
        parts.append(f"{summary.rankings_left:,} rankings were ignored; see import_rankings.")
    if summary.bad_lines:
        parts.append(f"{summary.bad_lines:,} bad lines were left out.")
    return " ".join(parts)
