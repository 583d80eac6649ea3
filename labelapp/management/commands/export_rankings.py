"""`manage.py export_rankings SLUG FILE`: export a project's rankings."""

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
from labelapp.management.options import get_project
from labelapp.models import Project
from training.formats.lines import RankingFileError
from training.formats.tables import write_table
from training.rankings import Aggregation
from training.sentences import counted


class Command(BaseCommand):
    help = (
        "Export a project's rankings to a file, with a manifest next to it. The file is compressed "
        "with gzip if its name ends in .gz. docs/data-format.md describes the formats."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", metavar="SLUG", help="slug of the project")
        parser.add_argument(
            "file", nargs="?", default="-", help="the file to write; default: standard output"
        )
        parser.add_argument(
            "--format",
            choices=get_args(Format),
            help="default: csv or parquet if the file name says so, otherwise jsonl",
        )
        parser.add_argument(
            "--all-versions", action="store_true", help="also export earlier versions of rankings"
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
        parser.add_argument(
            "--include-left-out",
            action="store_true",
            help="also export rankings that are left out with their labeller",
        )
        parser.add_argument("--force", action="store_true", help="overwrite an existing file")

    def handle(self, *args: Any, **options: Any) -> None:
        project = get_project(options["project"])
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # no incomplete file is left
        format_ = options["format"] or format_of(options["file"])
        names = ("all_versions", "aggregation", "include_left_out")
        selection = {name: options[name] for name in names}
        bar = partial(show, total=project.prompts.count(), name=project.slug)
        try:
            if options["file"] == "-":
                if not sys.stdout.isatty():
                    selection["progress"] = bar
                self.to_standard_output(export_lines(project, format_, **selection), format_)
            else:
                selection |= {"force": options["force"], "progress": bar}
                self.to_file(project, Path(options["file"]), format_, selection)
        except ExportRefusedError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("stopped; nothing was written") from None

    def to_file(
        self, project: Project, path: Path, format_: Format, options: dict[str, Any]
    ) -> None:
        start = time.monotonic()
        contents = export_file(project, path, format_, **options)
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
            # The reader has stopped reading. Python flushes the rest to /dev/null when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            raise ExportRefusedError(
                f"standard output cannot be written: {error.strerror}"
            ) from error
        except RankingFileError as error:
            raise ExportRefusedError(f"standard output cannot be written: {error}") from error


def format_of(file: str) -> Format:
    """Return the format that a file name implies, as the import reads it."""
    suffixes = [suffix.lower() for suffix in Path(file).suffixes[-2:]]
    if ".parquet" in suffixes:
        return "parquet"
    return "csv" if ".csv" in suffixes else "jsonl"


def show(prompts: Iterable[ExportedPrompt], *, total: int, name: str) -> Iterable[ExportedPrompt]:
    """Yield the prompts, with a progress bar on a terminal."""
    bar: Iterable[ExportedPrompt] = tqdm(
        prompts, total=total, unit=" prompts", disable=None, desc=name
    )
    return bar


def describe(contents: Contents, path: Path, seconds: float) -> str:
    """Return a summary of an export."""
    counts = {n: counted(count, n.removesuffix("s")) for n, count in contents.counts().items()}
    return (
        f"Exported {counts['rankings']} ({counts['comparisons']}) by {counts['labellers']}, of "
        f"{counts['prompts']} with {counts['responses']}, in {seconds:.1f} s: "
        f"{path} and {path.name}{MANIFEST}."
    )
