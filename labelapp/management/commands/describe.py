"""`manage.py describe FILE`: print how a file of rankings is read, and store nothing."""

import argparse
import textwrap
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labelapp.management.errors import file_problem
from labelapp.management.options import add_reading_options, lines_of, reading_options
from training.formats.ranking_file import BadLine, Line, RankingFileError, open_ranking_file
from training.sentences import counted

EXAMPLES = 3
BAD_LINES = 5
WIDTH = 100


class Command(BaseCommand):
    help = (
        "Print how a file of rankings is read: its shape, the key or column of each field, what is "
        "not read, and three examples. Nothing is stored."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", help="the file to read; - for standard input")
        add_reading_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        examples: list[Line] = []
        bad: list[BadLine] = []
        lines = bad_lines = rankings = 0
        try:
            with open_ranking_file(options["file"], reading_options(options)) as file:
                for line in file:
                    lines += 1
                    if isinstance(line, BadLine):
                        bad_lines += 1
                        bad += [line] if len(bad) < BAD_LINES else []
                        continue
                    rankings += line.ranking is not None
                    examples += [line] if len(examples) < EXAMPLES else []
        except RankingFileError as error:
            raise CommandError(file_problem(options["file"], error)) from error
        good = lines - bad_lines
        self.stdout.write(
            f"{counted(rankings, 'ranking')}, "
            f"{counted(good - rankings, 'prompt')} without a ranking, "
            f"{counted(bad_lines, 'bad line')}"
        )
        self.stdout.write("\n".join(lines_of(file.reading)))
        for line in examples:
            self.stdout.write("\n" + "\n".join(shown(line)))
        if bad:
            self.stdout.write("\nBad lines:")
            for line_ in bad:
                self.stdout.write(f"  {line_}")
            if bad_lines > len(bad):
                self.stdout.write(f"  and {bad_lines - len(bad):,} more")


def shown(line: Line) -> list[str]:
    """Return the lines that show a line of a file, the best response first."""
    by = f", ranked by {line.labeller}" if line.labeller else ""
    texts = [f"line {line.number}{by}"]
    texts += [f"  {message['role']}: {short(message['content'])}" for message in line.messages]
    for rank, response in line.best_first():
        source = f" ({response.source})" if response.source else ""
        texts.append(f"  {'-' if rank is None else rank}. {short(response.text)}{source}")
    return texts


def short(text: str) -> str:
    """Return the beginning of a text on one line."""
    return textwrap.shorten(text, WIDTH, placeholder=" …")
