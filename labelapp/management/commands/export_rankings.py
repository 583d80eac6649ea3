"""`manage.py export_rankings SLUG FILE`: a project's rankings as a file that others read."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from labelapp.exporting.formats import Format
from labelapp.exporting.reader import ExportedPrompt
from labelapp.exporting.writer import (
    MANIFEST,
    Contents,
    ExportRefusedError,
    export_file,
    export_lines,
)
from labelapp.models import Project
from training.formats.lines import RankingFileError
from training.formats.parquet import write_table
from training.rankings import Aggregation


class Command(BaseCommand):
    help = (
        "Export a project's rankings, gzip where the file's name ends in .gz, with a manifest "
        "beside the file. docs/data-format.md describes the formats."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", metavar="SLUG")
        parser.add_argument(
            "file", nargs="?", default="-", help="the file to write; default: standard output"
        )
        parser.add_argument(
            "--format",
            choices=get_args(Format),
            help="default: csv or parquet where the file's name says so, else jsonl",
        )
        parser.add_argument(
            "--all-versions", action="store_true", help="earlier versions of a ranking too"
        )
        parser.add_argument(
            "--aggregation",
            choices=get_args(Aggregation),
            default="all",
            help="export all rankings, the majority of a prompt's labellers, or the adjudicated "
            "ranking where there is one (default: all)",
        )
        parser.add_argument(  # the earlier name
            "--verdicts",
            dest="aggregation",
            choices=get_args(Aggregation),
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
        parser.add_argument("--force", action="store_true", help="replace a file that is there")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing half is left behind
        format_ = options["format"] or by_name(options["file"])
        lines = {"all_versions": options["all_versions"], "aggregation": options["aggregation"]}
        try:
            if options["file"] == "-":
                self.to_standard_output(export_lines(project, format_, **lines), format_)
            else:
                lines["force"] = options["force"]
                self.to_file(project, Path(options["file"]), format_, lines)
        except ExportRefusedError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("stopped; nothing was written") from None

    def to_file(
        self, project: Project, path: Path, format_: Format, options: dict[str, Any]
    ) -> None:
        start = time.monotonic()
        total = project.prompts.count()
        bar = partial(show, total=total, name=project.slug)
        contents = export_file(project, path, format_, progress=bar, **options)
        self.stdout.write(describe(contents, path, time.monotonic() - start))

    def to_standard_output(self, lines: Iterator[str], format_: Format) -> None:
        try:
            if format_ == "parquet":
                write_table(lines, sys.stdout.buffer)
                return
            for line in lines:
                sys.stdout.buffer.write(line.encode())
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Whoever read has read enough. What Python would flush at its end goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            raise ExportRefusedError(
                f"standard output cannot be written: {error.strerror}"
            ) from error
        except RankingFileError as error:
            raise ExportRefusedError(f"standard output cannot be written: {error}") from error


def by_name(file: str) -> Format:
    """The format that a file's name tells, as the import reads it."""
    names = [suffix.lower() for suffix in Path(file).suffixes[-2:]]
    if ".parquet" in names:
        return "parquet"
    return "csv" if ".csv" in names else "jsonl"


def show(prompts: Iterable[ExportedPrompt], *, total: int, name: str) -> Iterable[ExportedPrompt]:
    """The prompts, with a bar where somebody watches."""
    bar: Iterable[ExportedPrompt] = tqdm(
        prompts, total=total, unit=" prompts", disable=None, desc=name
    )
    return bar


def describe(contents: Contents, path: Path, seconds: float) -> str:
    """What an export wrote, in words."""
    counts = {name: f"{count:,} {name}" for name, count in contents.counts().items()}
    return (
        f"{counts['rankings']} ({counts['comparisons']}) by {counts['labellers']}, of "
        f"{counts['prompts']} with {counts['responses']}, in {seconds:.1f} s: "
        f"{path} and {path.name}{MANIFEST}."
    )
