"""Uploads: a file that somebody brings, from a look at how it is read to the rows that come of it.

Nothing is imported before somebody has seen the first lines as they will be read. With bad lines
nothing is imported either: they are all named, and the others follow only when asked.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.utils import timezone

from labelapp.db.retry import patiently
from labelapp.importing import upload_handler
from labelapp.importing.bad_lines import BadLines
from labelapp.importing.importer import UNKNOWN_LABELLER, ImportRefusedError, Summary, import_lines
from labelapp.jobs import files, jobs
from labelapp.jobs.files import Advance
from labelapp.jobs.jobs import Enqueue, FailedError, StoppedError
from labelapp.models import Project, State, Upload, User
from training.formats.detect import Beginning
from training.formats.lines import MAX_LINE_BYTES
from training.formats.ranking_file import (
    BadLine,
    Line,
    RankingFile,
    RankingFileError,
    look_into,
    open_ranking_file,
)
from training.rankings import Message

PREVIEWED = 10  # lines
PREVIEWED_BYTES = (PREVIEWED + 2) * MAX_LINE_BYTES  # at most, to find them
KEPT_FOR = timedelta(days=14)  # the files of uploads that nobody ended
BAD_LINES = "bad_lines.jsonl"
OPEN = (State.DRAFT, State.REFUSED, State.FAILED, State.STOPPED)
GONE = "The file is not there any more. Upload it again."


class CannotImportError(Exception):
    """The file cannot be imported now; the message says why and what to do."""


class Answer(NamedTuple):
    rank: int | None
    text: str
    source: str


@dataclass(frozen=True)
class PreviewLine:
    """A line as it would be read: what it holds, best response first, or why it is bad."""

    number: int
    reason: str = ""
    messages: Sequence[Message] = ()
    answers: Sequence[Answer] = ()
    labeller: str | None = None
    external_id: str | None = None


@dataclass(frozen=True)
class Preview:
    """The first lines of a file, or why it cannot be read."""

    lines: Sequence[PreviewLine] = ()
    problem: str = ""
    is_whole: bool = False  # no line comes after these


def receive(*, project: Project, user: User, file: TemporaryUploadedFile) -> Upload:
    """Keep a file that was sent. A file that took an hour to come is not lost to a busy database.

    Raises OSError where the disk refuses it.
    """
    tidy(project)
    upload = patiently(lambda: store(project, user, file))
    begins = look_into_file(upload)
    patiently(
        lambda: set_reading(
            upload=upload,
            format=begins.format,
            options=upload.options | {"delimiter": begins.delimiter if begins.columns else ""},
        )
    )
    return upload


def store(project: Project, user: User, file: TemporaryUploadedFile) -> Upload:
    size = file.size or 0
    with transaction.atomic():
        upload = Upload.objects.create(
            project=project,
            created_by=user,
            state=State.DRAFT,
            name=file.name or "file",
            size=size,
            format="jsonl",
            options={"rankings": True, "labeller": UNKNOWN_LABELLER},
        )
        folder = files.make_folder(upload)
        try:
            os.rename(file.temporary_file_path(), file_path(upload))
        except OSError:
            folder.remove()
            raise
    return upload


def tidy(project: Project) -> None:
    """Remove the files of uploads that nobody ended, and what is known of very old ones' lines."""
    upload_handler.remove_stale()
    old = project.uploads.filter(created_at__lt=timezone.now() - KEPT_FOR)
    for upload in old.filter(state__in=OPEN):
        discard(upload)
    for upload in old.filter(state=State.DONE).exclude(folder=""):
        files.folder_of(upload).remove()


def file_path(upload: Upload) -> Path:
    """Where the file lies. Of its name only the endings are kept, which tell its format."""
    endings = [s for s in Path(upload.name.lower()).suffixes[-2:] if re.fullmatch(r"\.\w{1,8}", s)]
    ascii_endings = "".join(ending for ending in endings if ending.isascii())
    return files.folder_of(upload).path / f"file{ascii_endings}"


def bad_lines_path(upload: Upload) -> Path:
    return files.folder_of(upload).path / BAD_LINES


def look_into_file(upload: Upload, delimiter: str | None = None) -> Beginning:
    """What the file is by how it begins; ranking JSONL where that cannot be read."""
    try:
        return look_into(str(file_path(upload)), delimiter=delimiter or None)
    except RankingFileError:
        return Beginning("jsonl")


@contextmanager
def opened(upload: Upload, at_most: int | None = None) -> Iterator[RankingFile]:
    """The file, to be read as was said. Raises RankingFileError in words for a page."""
    path = file_path(upload)
    if not path.is_file():
        raise RankingFileError(GONE)
    said = upload.options
    try:
        with open_ranking_file(
            str(path),
            format=upload.format,  # type: ignore[arg-type]
            rankings=said.get("rankings", True),
            delimiter=said.get("delimiter") or None,
            columns=said.get("columns") or None,
            at_most=at_most,
        ) as file:
            yield file
    except RankingFileError as error:
        raise RankingFileError(in_words(str(error), path)) from error


def in_words(problem: str, path: Path) -> str:
    """What is wrong with a whole file, for a page: without our path, and without options."""
    for name in (f"{path} ", str(path)):
        problem = problem.replace(name, "")
    problem = re.sub(r"\s*[^.;:]*--[a-z][^.]*\.?", "", problem).strip(" :")
    if re.match(r"(is|has|names?|cannot)\b", problem):
        problem = f"The file {problem}"
    return f"{problem[:1].upper()}{problem[1:]}".rstrip(".") + "."


def preview(upload: Upload) -> Preview:
    try:
        with opened(upload, PREVIEWED_BYTES) as file:
            lines = list(islice(file, PREVIEWED + 1))
    except RankingFileError as error:
        return Preview(problem=str(error))
    if not lines:
        return Preview(problem="The file has no lines.")
    shown = [preview_line(line) for line in lines[:PREVIEWED]]
    return Preview(shown, is_whole=len(lines) <= PREVIEWED)


def preview_line(line: Line | BadLine) -> PreviewLine:
    if isinstance(line, BadLine):
        return PreviewLine(line.number, line.reason)
    ranks = {id_: rank for rank, group in enumerate(line.ranking or [], 1) for id_ in group}
    answers = [Answer(ranks.get(r.id), r.text, r.source) for r in line.responses]
    answers.sort(key=lambda answer: answer.rank or 0)
    return PreviewLine(
        number=line.number,
        messages=line.messages,
        answers=answers,
        labeller=line.labeller,
        external_id=line.external_id,
    )


def set_reading(*, upload: Upload, format: str, options: Mapping[str, Any]) -> None:  # noqa: A002
    """Say how the file is to be read."""
    upload.format, upload.options = format, dict(options)
    drafts = Upload.objects.filter(pk=upload.pk, state__in=OPEN)
    drafts.update(format=upload.format, options=upload.options, state=State.DRAFT, finished_at=None)
    upload.refresh_from_db()


def start(*, upload: Upload, enqueue: Enqueue, skip_bad_lines: bool = False) -> None:
    """Queue the import. Raises CannotImportError where there is nothing to import."""
    if not file_path(upload).is_file():
        raise CannotImportError(GONE)
    if upload.state not in OPEN:
        return
    options = upload.options | {"skip_bad_lines": skip_bad_lines}
    with transaction.atomic():  # no worker comes to it before its folder is cleared
        if jobs.restart(upload, enqueue, options=options, outcome={}, done=0, total=0):
            files.folder_of(upload).clear()


def execute(upload: Upload) -> None:
    """Import the file; on return the upload is done, refused, failed or stopped."""
    files.execute(upload, lambda advance: patiently(lambda: take_in(upload, advance)))
    if upload.state == State.DONE:
        file_path(upload).unlink(missing_ok=True)


def take_in(upload: Upload, advance: Advance) -> None:
    """All of the file or nothing: that it is done is stored with the rows that came of it."""

    def finishing(summary: Summary) -> None:
        bad_lines.flush()
        if not jobs.finish(upload, State.DONE, outcome=asdict(summary)):
            raise StoppedError  # the page has said already that nothing came of it

    with BadLines(bad_lines_path(upload)) as bad_lines:
        try:
            with opened(upload) as file:
                upload.total = file.size or 0
                import_lines(
                    upload.project,
                    bad_lines.before(followed(file, advance)),
                    report=bad_lines.add,
                    rankings=upload.options["rankings"],
                    labeller=upload.options["labeller"],
                    skip_bad_lines=upload.options["skip_bad_lines"],
                    finishing=finishing,
                )
        except RankingFileError as error:
            raise FailedError(str(error)) from error
        except ImportRefusedError as error:
            bad_lines.flush()
            jobs.finish(upload, State.REFUSED, outcome=asdict(error.summary))


def followed(file: RankingFile, advance: Advance) -> Iterator[Line | BadLine]:
    for line in file:
        yield line
        advance(file.raw.tell())


def discard(upload: Upload) -> bool:
    """Forget an upload and its file. False where it is being imported, or was."""
    folder = files.folder_of(upload)
    gone, _ = Upload.objects.filter(pk=upload.pk, state__in=OPEN).delete()
    if gone:
        folder.remove()
    return bool(gone)


def count_good_lines(upload: Upload) -> int:
    """Return how many lines of a refused file can be imported."""
    return int(upload.outcome.get("lines", 0)) - int(upload.outcome.get("bad_lines", 0))
