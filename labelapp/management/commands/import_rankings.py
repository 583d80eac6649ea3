"""`manage.py import_rankings FILE --project SLUG`: rankings made elsewhere, prompts to label."""

import argparse
import time
from typing import Any, ClassVar, get_args

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from labelapp.importing.importer import UNKNOWN_LABELLER, ImportRefusedError, Summary, import_lines
from labelapp.models import Project
from training.formats.ranking_file import (
    MAX_NAME,
    Format,
    RankingFile,
    RankingFileError,
    open_ranking_file,
)


class Command(BaseCommand):
    help = (
        "Import a file of rankings into a project: JSONL, CSV, Parquet, TRL pairs, Open Assistant "
        "trees; docs/data-format.md describes them. "
        "A line without a ranking becomes a prompt to be labelled. "
        "With a bad line nothing is imported, unless --skip-bad-lines is given."
    )
    rankings: ClassVar[bool] = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", help="the file to read; - for standard input")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--skip-bad-lines",
            action="store_true",
            help="import the good lines and say how many were left",
        )
        parser.add_argument(
            "--format", choices=get_args(Format), help="default: by how the file begins"
        )
        parser.add_argument(
            "--delimiter",
            type=lambda text: "\t" if text in ("\\t", "tab") else text,
            help="between columns of a CSV; default: by its header",
        )
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="of a table in long form: which column is which field, such as response=answer; "
            "nothing after = leaves a field out. May be given several times",
        )
        parser.add_argument(
            "--labeller",
            default=UNKNOWN_LABELLER,
            metavar="NAME",
            help="who made the rankings of lines that name nobody; default %(default)s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(
                f"there is no project {options['project']!r}; "
                f"make it with: manage.py create_project {options['project']}"
            )
        if options["delimiter"] is not None and len(options["delimiter"]) != 1:
            raise CommandError("--delimiter takes one character")
        if not 0 < len(options["labeller"]) <= MAX_NAME:
            raise CommandError(f"--labeller takes a name of at most {MAX_NAME} characters")
        start = time.monotonic()
        try:
            with open_ranking_file(
                options["file"],
                format=options["format"],
                delimiter=options["delimiter"],
                rankings=self.rankings,
                columns=named_columns(options["column"]),
            ) as file:
                summary = self.import_file(project, file, options)
        except RankingFileError as error:
            raise CommandError(f"{error}; nothing was imported") from error
        except ImportRefusedError as error:
            raise CommandError(
                f"{error}. Mend them, or import the other lines with --skip-bad-lines."
            ) from error
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
    """What --column says: field -> column; None where nothing is said."""
    for pair in given:
        if "=" not in pair:
            raise CommandError(f"--column takes FIELD=COLUMN, not {pair!r}")
    return dict(pair.split("=", 1) for pair in given) or None


def describe(summary: Summary, seconds: float) -> str:
    """What an import did, in words."""
    added = f"{summary.prompts:,} prompts, {summary.responses:,} responses"
    parts = [
        f"{summary.lines:,} lines in {seconds:.1f} s:",
        f"added {added}, {summary.rankings:,} rankings;",
        f"{summary.queued:,} prompts now wait for labellers.",
    ]
    if summary.name_themselves:
        parts.append(
            f"{summary.name_themselves:,} responses name their own model; "
            "the project's page of prompts lists them."
        )
    if summary.already_there:
        parts.append(f"{summary.already_there:,} lines were there already.")
    if summary.rankings_left:
        parts.append(f"{summary.rankings_left:,} rankings were not read; import_rankings does.")
    if summary.bad_lines:
        parts.append(f"{summary.bad_lines:,} bad lines were left out.")
    return " ".join(parts)
