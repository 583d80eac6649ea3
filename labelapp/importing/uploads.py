"""Preview an uploaded file and import it.

Nothing is imported until the user has seen a preview of the first lines. If lines are bad, nothing
is imported either: the bad lines are listed, and the user can then import the others.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.utils import timezone

from labelapp.db.retry import with_retries
from labelapp.importing import upload_handler
from labelapp.importing.bad_lines import BadLines
from labelapp.importing.importer import UNKNOWN_LABELLER, ImportRefusedError, Summary, import_lines
from labelapp.jobs import files, jobs
from labelapp.jobs.files import Advance
from labelapp.jobs.jobs import Enqueue, FailedError, StoppedError
from labelapp.models import Project, State, Upload, User
from training.formats.detect import Beginning, is_parquet
from training.formats.lines import MAX_LINE_BYTES
from training.formats.ranking_file import (
    BadLine,
    Format,
    Line,
    RankingFile,
    RankingFileError,
    look_into,
    open_ranking_file,
)
from training.rankings import Message

PREVIEW_LINES = 10
PREVIEW_BYTES = (PREVIEW_LINES + 2) * MAX_LINE_BYTES  # read at most for the preview
KEPT_FOR = timedelta(days=14)  # files of unfinished uploads
BAD_LINES = "bad_lines.jsonl"
# A request waits longer than others to store an uploaded file, which was slow to send.
RETRY_SECONDS = 30
OPEN = (State.DRAFT, State.REFUSED, State.FAILED, State.STOPPED)
GONE = "The file no longer exists. Upload it again."
CHANGED = "The file on the server is no longer the one that was uploaded. Upload it again."


class CannotImportError(Exception):
    """The file cannot be imported now; the message says why and what to do."""


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


@dataclass(frozen=True)
class Preview:
    """The first lines of a file, or the reason why it cannot be read."""

    lines: Sequence[PreviewLine] = ()
    problem: str = ""
    is_whole: bool = False  # the file has no more lines


def receive(*, project: Project, user: User, file: TemporaryUploadedFile) -> Upload:
    """Store an uploaded file, retrying while the database is busy.

    Raises OSError if the file cannot be written.
    """
    tidy(project)
    upload = with_retries(lambda: store(project, user, file), RETRY_SECONDS)
    beginning = look_into_file(upload)
    with_retries(
        lambda: set_format(
            upload=upload,
            file_format=beginning.format,
            options=upload.options
            | {"delimiter": beginning.delimiter if beginning.columns else ""},
        ),
        RETRY_SECONDS,
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
            checksum_path(upload).write_text(getattr(file, "sha256", ""), encoding="ascii")
            os.rename(file.temporary_file_path(), file_path(upload))
        except OSError:
            folder.remove()
            raise
    return upload


def tidy(project: Project) -> None:
    """Delete old unfinished uploads, and the lists of bad lines of old finished ones."""
    upload_handler.remove_stale()
    old = project.uploads.filter(created_at__lt=timezone.now() - KEPT_FOR)
    for upload in old.filter(state__in=OPEN):
        discard(upload)
    for upload in old.filter(state=State.DONE).exclude(folder=""):
        files.folder_of(upload).remove()


def file_path(upload: Upload) -> Path:
    """Return the path of the file. It keeps the suffixes of the name, which tell the format."""
    suffixes = [s for s in Path(upload.name.lower()).suffixes[-2:] if re.fullmatch(r"\.\w{1,8}", s)]
    ascii_suffixes = "".join(suffix for suffix in suffixes if suffix.isascii())
    return files.folder_of(upload).path / f"file{ascii_suffixes}"


def checksum_path(upload: Upload) -> Path:
    """Return the path of the file's SHA-256, computed while the file was received."""
    return files.folder_of(upload).path / "sha256"


def insist_unchanged(upload: Upload) -> None:
    """Raise FailedError if the file on the disk is not the file that was uploaded."""
    path = file_path(upload)
    try:
        expected = checksum_path(upload).read_text(encoding="ascii")
        with open(path, "rb") as file:
            whole = os.fstat(file.fileno()).st_size == upload.size
            whole = whole and hashlib.file_digest(file, "sha256").hexdigest() == expected
    except FileNotFoundError:  # no checksum: uploaded with an earlier version
        whole = path.is_file() and path.stat().st_size == upload.size
    if not whole:
        raise FailedError(CHANGED)


def bad_lines_path(upload: Upload) -> Path:
    return files.folder_of(upload).path / BAD_LINES


def look_into_file(upload: Upload, delimiter: str | None = None) -> Beginning:
    """Detect the format of a file from its beginning; ranking JSONL if it cannot be read."""
    try:
        return look_into(str(file_path(upload)), delimiter=delimiter or None)
    except RankingFileError:
        return Beginning("parquet" if begins_as_parquet(upload) else "jsonl")


def begins_as_parquet(upload: Upload) -> bool:
    try:
        with open(file_path(upload), "rb") as file:
            return is_parquet(file.read(4))
    except OSError:
        return False


@contextmanager
def opened(upload: Upload, at_most: int | None = None) -> Iterator[RankingFile]:
    """Open the file with the chosen options. Raises RankingFileError with a message for a page."""
    path = file_path(upload)
    if not path.is_file():
        raise RankingFileError(GONE)
    options = upload.options
    try:
        with open_ranking_file(
            str(path),
            format=cast("Format", upload.format),
            rankings=options.get("rankings", True),
            delimiter=options.get("delimiter") or None,
            columns=options.get("columns") or None,
            at_most=at_most,
        ) as file:
            yield file
    except RankingFileError as error:
        raise RankingFileError(page_message(str(error), path)) from error


def page_message(problem: str, path: Path) -> str:
    """Return an error of the reader for a page, without the path and command-line options."""
    for name in (f"{path} ", str(path)):
        problem = problem.replace(name, "")
    problem = re.sub(r"\s*[^.;:]*--[a-z][^.]*\.?", "", problem).strip(" :")
    if re.match(r"(is|has|names?|cannot)\b", problem):
        problem = f"The file {problem}"
    return f"{problem[:1].upper()}{problem[1:]}".rstrip(".") + "."


def preview(upload: Upload) -> Preview:
    try:
        with opened(upload, PREVIEW_BYTES) as file:
            lines = list(islice(file, PREVIEW_LINES + 1))
    except RankingFileError as error:
        return Preview(problem=str(error))
    if not lines:
        return Preview(problem="The file has no lines.")
    shown = [preview_line(line) for line in lines[:PREVIEW_LINES]]
    return Preview(shown, is_whole=len(lines) <= PREVIEW_LINES)


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


def set_format(*, upload: Upload, file_format: str, options: Mapping[str, Any]) -> None:
    """Store how the file is to be read."""
    upload.format, upload.options = file_format, dict(options)
    drafts = Upload.objects.filter(pk=upload.pk, state__in=OPEN)
    drafts.update(format=upload.format, options=upload.options, state=State.DRAFT, finished_at=None)
    upload.refresh_from_db()


def start(*, upload: Upload, enqueue: Enqueue, skip_bad_lines: bool = False) -> None:
    """Queue the import. Raises CannotImportError if the file no longer exists."""
    if not file_path(upload).is_file():
        raise CannotImportError(GONE)
    if upload.state not in OPEN:
        return
    options = upload.options | {"skip_bad_lines": skip_bad_lines}
    with transaction.atomic():  # no worker can start before the folder is cleared
        if jobs.restart(upload, enqueue, options=options, outcome={}, done=0, total=0):
            files.folder_of(upload).clear()


def execute(upload: Upload) -> None:
    """Import the file. On return the upload is done, refused, failed or stopped."""
    files.execute(upload, lambda advance: with_retries(lambda: import_file(upload, advance)))
    if upload.state == State.DONE:
        file_path(upload).unlink(missing_ok=True)


def import_file(upload: Upload, advance: Advance) -> None:
    """Import the whole file or nothing, and store the final state in the same transaction."""

    def finishing(summary: Summary) -> None:
        insist_unchanged(upload)
        bad_lines.flush()
        if not jobs.finish(upload, State.DONE, outcome=asdict(summary)):
            raise StoppedError  # the page already says that nothing was imported

    with BadLines(bad_lines_path(upload)) as bad_lines:
        try:
            with opened(upload) as file:
                upload.total = file.size or 0
                import_lines(
                    upload.project,
                    bad_lines.before(follow(file, advance)),
                    report=bad_lines.add,
                    rankings=upload.options.get("rankings", True),
                    labeller=upload.options.get("labeller", UNKNOWN_LABELLER),
                    skip_bad_lines=upload.options.get("skip_bad_lines", False),
                    finishing=finishing,
                )
        except RankingFileError as error:
            raise FailedError(str(error)) from error
        except ImportRefusedError as error:
            bad_lines.flush()
            jobs.finish(upload, State.REFUSED, outcome=asdict(error.summary))


def follow(file: RankingFile, advance: Advance) -> Iterator[Line | BadLine]:
    for line in file:
        yield line
        advance(file.raw.tell())


def discard(upload: Upload) -> bool:
    """Delete an upload and its file. Return False if it is being or was imported."""
    folder = files.folder_of(upload)
    deleted, _ = Upload.objects.filter(pk=upload.pk, state__in=OPEN).delete()
    if deleted:
        folder.remove()
    return bool(deleted)


def count_good_lines(upload: Upload) -> int:
    """Return how many lines of a refused file can be imported."""
    return count(upload, "lines") - count(upload, "bad_lines")


def count(upload: Upload, name: str) -> int:
    """Return a count of the outcome, or 0 if it is not known."""
    value = upload.outcome.get(name)
    return value if isinstance(value, int) else 0
