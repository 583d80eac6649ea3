"""The file of an upload: its path, how it is read, and a preview of its first lines."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from django.utils.translation import gettext_noop

from labelapp.jobs import files
from labelapp.models import Upload
from training.formats.lines import PREDICATE, AmbiguousError, UnknownColumnsError
from training.formats.opening import BeginningOnlyError, EncodingError, open_file
from training.formats.ranking_file import (
    BadLine,
    Limits,
    Line,
    RankingFile,
    RankingFileError,
    ReadOptions,
    open_ranking_file,
)
from training.formats.reading import sentences
from training.rankings import Message
from training.sentences import sentence

PREVIEW_LINES = 10
PREVIEW_BYTES = 2**20  # read at most for the preview ...
PREVIEW_SECONDS = 1.0  # ... and for at most as long
GONE = gettext_noop("The file no longer exists. Upload it again.")


class Answer(NamedTuple):
    rank: int | None
    text: str
    source: str


@dataclass(frozen=True)
class PreviewLine:
    """A line of the preview: its contents, best response first, or the reason why it is bad."""

    number: int
    reason: str = ""
    messages: Sequence[Message] = ()
    answers: Sequence[Answer] = ()
    labeller: str | None = None
    external_id: str | None = None

    @property
    def is_ranked(self) -> bool:
        return any(answer.rank for answer in self.answers)


@dataclass(frozen=True)
class Preview:
    """Hold how a file is read and its first lines, or the reason why it cannot be read.

    `question` is set where the file can be read in two ways, and `columns` are those of a table.
    """

    format: str = ""
    delimiter: str = ""
    columns: Sequence[str] = ()
    reading: Sequence[tuple[str, str]] = ()
    has_scores: bool = False
    lines: Sequence[PreviewLine] = ()
    problem: str = ""
    question: AmbiguousError | None = None
    is_whole: bool = False  # the file has no more lines

    @property
    def has_no_rankings(self) -> bool:
        """Return True if the preview's lines can all be imported, and none has a ranking."""
        return not any(line.reason or line.is_ranked for line in self.lines)

    @property
    def may_need_a_labeller(self) -> bool:
        """Return True unless each ranking of the file names its labeller."""
        ranked = (line for line in self.lines if line.is_ranked)
        return not self.is_whole or not all(line.labeller for line in ranked)


def file_path(upload: Upload) -> Path:
    """Return the path of the file. It keeps the suffixes of the name, which tell the format."""
    suffixes = [s for s in Path(upload.name.lower()).suffixes[-2:] if re.fullmatch(r"\.\w{1,8}", s)]
    ascii_suffixes = "".join(suffix for suffix in suffixes if suffix.isascii())
    return files.folder_of(upload).path / f"file{ascii_suffixes}"


def likely_encoding(upload: Upload) -> str:
    """Return the likely encoding of a file that is not UTF-8, or an empty text."""
    try:
        with ExitStack() as stack:
            open_file(stack, str(file_path(upload)))
    except EncodingError as error:
        return error.likely
    except RankingFileError:
        pass
    return ""


def read_options(upload: Upload) -> ReadOptions:
    """Return how the file is to be read, as it was chosen on the page."""
    options = upload.options
    columns = options.get("columns") or {}
    return ReadOptions(
        format=options.get("format") or None,
        delimiter=options.get("delimiter") or None,
        encoding=options.get("encoding") or None,
        header=options.get("header", True),
        columns=columns if any(columns.values()) else {},
        higher_is_better=options.get("higher_is_better", True),
        verdicts=options.get("verdicts") or {},
        ranking_is=options.get("ranking_is") or None,
    )


@contextmanager
def opened(upload: Upload, limits: Limits | None = None) -> Iterator[RankingFile]:
    """Open the file with the chosen options. Raises RankingFileError with a message for a page."""
    path = file_path(upload)
    if not path.is_file():
        raise RankingFileError(GONE)
    rankings = upload.options.get("rankings", True)
    try:
        with open_ranking_file(
            str(path), read_options(upload), rankings=rankings, limits=limits
        ) as file:
            yield file
    except (AmbiguousError, BeginningOnlyError):
        raise
    except RankingFileError as error:
        raise RankingFileError(page_message(error.problem)) from error


def page_message(problem: str) -> str:
    """Return an error of the reader as a whole sentence for a page."""
    if PREDICATE.match(problem):
        return sentence("The file %(problem)s.", problem=problem)
    return sentence("%(Problem)s.", Problem=problem)


def preview(upload: Upload) -> Preview:
    """Return how a file is read, and its first lines."""
    lines: list[Line | BadLine] = []
    file: RankingFile | None = None
    limits = Limits(at_most=PREVIEW_BYTES, seconds=PREVIEW_SECONDS)
    found = Preview()
    try:
        with opened(upload, limits) as file:
            found = replace(
                found, format=file.format, delimiter=file.delimiter, columns=file.columns
            )
            for line in file:
                lines.append(line)
                if len(lines) > PREVIEW_LINES:
                    break
    except AmbiguousError as error:
        problem = sentence(
            "%(question)s Choose what is meant.", question=page_message(error.problem)
        )
        return replace(found, problem=problem, question=error)
    except BeginningOnlyError as error:
        if not lines:
            return replace(found, problem=page_message(error.problem))
        lines.append(BadLine(0, ""))  # there are more
    except RankingFileError as error:
        if isinstance(error.__cause__, UnknownColumnsError):
            problem = sentence(
                "%(problem)s Choose the format, or say which column holds what.",
                problem=error.problem,
            )
            return replace(found, problem=problem, columns=error.__cause__.columns)
        return replace(found, problem=error.problem)
    if file is None:
        return found
    reading = file.reading.as_dict()
    found = replace(
        found, reading=list(sentences(reading)), has_scores="score" in reading["fields"]
    )
    if not lines:
        return replace(found, problem=no_lines(found.reading))
    shown = [preview_line(line) for line in lines[:PREVIEW_LINES]]
    return replace(found, lines=shown, is_whole=len(lines) <= PREVIEW_LINES)


def no_lines(reading: Sequence[tuple[str, str]]) -> str:
    """Return the problem of a file that gave no line, with the reasons of its records."""
    reasons = [text for heading, text in reading if heading == "gave nothing"]
    if not reasons:
        return sentence("The file has no lines.")
    listed = reasons[0]
    for reason in reasons[1:]:
        listed = sentence("%(first)s; %(second)s", first=listed, second=reason)
    return sentence("The file gave nothing: %(reasons)s.", reasons=listed)


def preview_line(line: Line | BadLine) -> PreviewLine:
    if isinstance(line, BadLine):
        return PreviewLine(line.number, line.reason)
    return PreviewLine(
        number=line.number,
        messages=line.messages,
        answers=[Answer(rank, one.text, one.source) for rank, one in line.best_first()],
        labeller=line.labeller,
        external_id=line.external_id,
    )
