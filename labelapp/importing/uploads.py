"""Store an uploaded file, and import it once its preview has been seen.

Nothing is imported until the user has seen a preview of the first lines. If lines are bad, nothing
is imported either: the bad lines are listed, and the user can then import the others.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from labelapp.db.retry import with_retries
from labelapp.importing import upload_handler
from labelapp.importing.bad_lines import BadLines
from labelapp.importing.how_read import translated_reading
from labelapp.importing.importer import UNKNOWN_LABELLER, import_lines
from labelapp.importing.staging import delete_abandoned
from labelapp.importing.summary import ImportRefusedError, Summary
from labelapp.importing.upload_file import (
    GONE,
    PREVIEW_BYTES,
    file_path,
    likely_encoding,
    opened,
    page_message,
)
from labelapp.jobs import files, jobs
from labelapp.jobs.files import Advance
from labelapp.jobs.jobs import Enqueue, FailedError, StoppedError
from labelapp.models import Project, State, Upload, User
from training.formats.lines import AmbiguousError, MissingColumnError
from training.formats.ranking_file import BadLine, Limits, Line, RankingFile, RankingFileError
from training.formats.reading import Reading, sentences
from training.sentences import sentence

KEPT_FOR = timedelta(days=14)  # files of unfinished uploads
BAD_LINES = "bad_lines.jsonl"
# A request waits longer than others to store an uploaded file, which was slow to send.
RETRY_SECONDS = 30
OPEN = (State.DRAFT, State.REFUSED, State.FAILED, State.STOPPED)
CHANGED = gettext_noop(
    "The file on the server is no longer the one that was uploaded. Upload it again."
)


class CannotImportError(Exception):
    """The file cannot be imported now; the message says why and what to do."""


def receive(*, project: Project, user: User, file: TemporaryUploadedFile) -> Upload:
    """Store an uploaded file, retrying while the database is busy.

    Raises OSError if the file cannot be written.
    """
    tidy(project.uploads.all())
    upload = with_retries(lambda: store(project, user, file), RETRY_SECONDS)
    if encoding := likely_encoding(upload):
        options = upload.options | {"encoding": encoding}
        with_retries(lambda: set_format(upload=upload, options=options), RETRY_SECONDS)
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
            format="",
            options={"rankings": True, "labeller": UNKNOWN_LABELLER},
        )
        files.make_folder(upload)
        try:
            checksum_path(upload).write_text(getattr(file, "sha256", ""), encoding="ascii")
            os.rename(file.temporary_file_path(), file_path(upload))
        except OSError:
            files.remove_folder(upload)
            raise
    return upload


def tidy(uploads: QuerySet[Upload]) -> None:
    """Delete old unfinished uploads, and the lists of bad lines of old finished ones."""
    upload_handler.remove_stale()
    old = uploads.filter(created_at__lt=timezone.now() - KEPT_FOR)
    for upload in old.filter(state__in=OPEN):
        discard(upload)
    for upload in old.filter(state=State.DONE).exclude(folder=""):
        files.remove_folder(upload)


def checksum_path(upload: Upload) -> Path:
    """Return the path of the file's SHA-256, computed while the file was received."""
    return files.folder_of(upload).path / "sha256"


def insist_unchanged(upload: Upload) -> None:
    """Raise FailedError if the file on the disk is no longer the one that was uploaded."""
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


def set_format(*, upload: Upload, options: Mapping[str, Any]) -> None:
    """Store how the file is to be read."""
    upload.options = dict(options)
    drafts = Upload.objects.filter(pk=upload.pk, state__in=OPEN)
    drafts.update(
        format=options.get("format", ""),
        options=upload.options,
        state=State.DRAFT,
        finished_at=None,
    )
    upload.refresh_from_db()


def forget_missing_columns(upload: Upload) -> None:
    """Drop the chosen columns if one of them is gone under the new separator or header."""
    try:
        with opened(upload, Limits(at_most=PREVIEW_BYTES)):
            pass
    except RankingFileError as error:
        if isinstance(error.__cause__, MissingColumnError):
            set_format(upload=upload, options=upload.options | {"columns": {}})


def start(*, upload: Upload, enqueue: Enqueue, skip_bad_lines: bool = False) -> None:
    """Queue the import. Raises CannotImportError if the file no longer exists."""
    if not file_path(upload).is_file():
        raise CannotImportError(gettext(GONE))
    if upload.state not in OPEN:
        return
    options = upload.options | {"skip_bad_lines": skip_bad_lines}
    with transaction.atomic():  # no worker can start before the folder is cleared
        if jobs.restart(upload, enqueue, options=options, outcome={}, done=0, total=0):
            files.folder_of(upload).clear()


def execute(upload: Upload) -> None:
    """Import the file. On return the upload is done, refused, failed or stopped."""
    files.execute(upload, lambda advance: with_retries(lambda: import_file(upload, advance)))
    delete_abandoned()  # after the state is stored, because it takes a while
    if upload.state == State.DONE:
        file_path(upload).unlink(missing_ok=True)


def import_file(upload: Upload, advance: Advance) -> None:
    """Import the whole file or nothing, and store the final state as it is published."""

    def finishing(summary: Summary) -> None:
        bad_lines.flush()
        if not jobs.finish(upload, State.DONE, outcome=outcome(summary, reading, bad_lines)):
            raise StoppedError  # the page already says that nothing was imported

    def beat() -> None:
        advance(upload.done)

    reading: Reading | None = None
    with BadLines(bad_lines_path(upload)) as bad_lines:
        try:
            with opened(upload, Limits(beat=beat)) as file:
                reading = file.reading
                upload.total = file.size or 0
                import_lines(
                    upload.project,
                    bad_lines.before(follow(file, upload, advance)),
                    report=bad_lines.add,
                    rankings=upload.options.get("rankings", True),
                    labeller=upload.options.get("labeller", UNKNOWN_LABELLER),
                    skip_bad_lines=upload.options.get("skip_bad_lines", False),
                    finishing=finishing,
                    upload=upload,
                )
        except AmbiguousError as error:
            raise FailedError(
                sentence(
                    "%(problem)s Change the format to say what it means.",
                    problem=page_message(error.problem),
                )
            ) from error
        except RankingFileError as error:
            raise FailedError(error.problem) from error
        except ImportRefusedError as error:
            bad_lines.flush()
            jobs.finish(upload, State.REFUSED, outcome=outcome(error.summary, reading, bad_lines))


def outcome(summary: Summary, reading: Reading | None, bad_lines: BadLines) -> dict[str, Any]:
    """Return the counts of an import, and how the file was read."""
    how = reading.as_dict() if reading is not None else None
    return asdict(summary) | {"reading": how, "bad_lines_listed": bad_lines.count}


def how_read(upload: Upload) -> list[tuple[str, str]]:
    """Return how an imported file was read, as pairs of a heading and a text."""
    reading = upload.outcome.get("reading")
    return translated_reading(sentences(reading)) if reading else []


def follow(file: RankingFile, upload: Upload, advance: Advance) -> Iterator[Line | BadLine]:
    """Yield the lines. Raises FailedError at the end if the file is not the one uploaded."""
    for line in file:
        yield line
        advance(file.raw.tell())
    insist_unchanged(upload)


def discard(upload: Upload) -> bool:
    """Delete an upload and its file. Return False if it is being or was imported."""
    deleted, _ = Upload.objects.filter(pk=upload.pk, state__in=OPEN).delete()
    if deleted:
        files.remove_folder(upload)
    return bool(deleted)


def count_good_lines(upload: Upload) -> int:
    """Return how many lines of a refused file can be imported."""
    return count(upload, "lines") - count(upload, "bad_lines")


def count(upload: Upload, name: str) -> int:
    """Return a count of the outcome, or 0 if it is not known."""
    value = upload.outcome.get(name)
    return value if isinstance(value, int) else 0
