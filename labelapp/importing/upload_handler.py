"""Write an uploaded file straight to the disk. Only the page of uploads accepts files."""

import errno
import hashlib
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import (
    FileUploadHandler,
    SkipFile,
    StopUpload,
    TemporaryFileUploadHandler,
)
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext, gettext_noop

from labelapp.web.health import RESERVED_BYTES

FORM_BYTES = 64 * 2**10  # at most, besides the file
PREFIX = "incoming-"
STALE_SECONDS = 24 * 3600  # longer than any upload takes
FULL = gettext_noop(
    "The disk of the server has no room for this file. Free some space and try again."
)


class NoFiles(FileUploadHandler):
    """Discards the files sent to forms that expect none."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


class IncomingFile(TemporaryUploadedFile):
    """A file being uploaded, on the same disk as its destination, so that moving copies nothing."""

    def __init__(self, name: str, content_type: str, charset: str | None) -> None:
        folder = incoming_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(prefix=PREFIX, dir=folder)  # noqa: SIM115 - closed by us
        UploadedFile.__init__(self, file, name, content_type, 0, charset)
        self.digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was received."""
        return self.digest.hexdigest()


class DiskUploadHandler(TemporaryFileUploadHandler):
    """Writes a file to the disk, or sets `refused` to the reason why it does not."""

    refused = ""

    @property
    def request_bytes(self) -> int:
        """The size of the request in bytes, as the browser announces it."""
        length = self.request.META.get("CONTENT_LENGTH", "") if self.request else ""
        return int(length) if length.isdecimal() else 0

    def new_file(
        self,
        field_name: str,
        file_name: str,
        content_type: str,
        content_length: int | None,
        charset: str | None = None,
        content_type_extra: Any = None,
    ) -> None:
        if self.request_bytes > settings.MAX_UPLOAD_BYTES + FORM_BYTES:
            self.refuse(too_large())
        try:
            self.file = IncomingFile(file_name, content_type, charset)
            if shutil.disk_usage(incoming_folder()).free < self.request_bytes + RESERVED_BYTES:
                self.refuse(gettext(FULL))
        except OSError as error:
            self.refuse(storage_problem(error))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            self.file.write(raw_data)
            cast(IncomingFile, self.file).digest.update(raw_data)
        except OSError as error:
            self.refuse(storage_problem(error))

    def file_complete(self, file_size: int) -> UploadedFile | None:
        try:
            self.file.flush()
        except OSError as error:
            self.refuse(storage_problem(error))
        return super().file_complete(file_size)

    def refuse(self, reason: str) -> None:
        """Stop the upload; Django still reads the rest, so that the browser shows the answer."""
        self.refused = reason
        raise StopUpload


def refusal(request: HttpRequest) -> str:
    """Return why the request's file was refused, or an empty string."""
    handlers = request.upload_handlers
    return next((h.refused for h in handlers if isinstance(h, DiskUploadHandler)), "")


def too_large() -> str:
    most = filesizeformat(settings.MAX_UPLOAD_BYTES)
    return gettext(
        "The file is larger than the limit of %(most)s. Compress it with gzip, split it, or import "
        "it on the server with manage.py import_rankings."
    ) % {"most": most}


def storage_problem(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return gettext(FULL)
    return gettext("The server could not store the file: %(error)s.") % {"error": error.strerror}


def incoming_folder() -> Path:
    return Path(settings.DATA_DIR) / "uploads"


def remove_stale() -> None:
    """Remove the incomplete files of processes that were killed."""
    for path in incoming_folder().glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):  # an upload that has just ended
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()
