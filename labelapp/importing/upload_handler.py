"""A file that a browser sends, straight to the disk. Only the page of uploads takes any."""

import errno
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

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

FORM_BYTES = 64 * 2**10  # what a form adds to its file, at most
RESERVED_BYTES = 256 * 2**20  # of the disk: labelling goes on while files come
PREFIX = "incoming-"
STALE_SECONDS = 24 * 3600  # no file is sent for longer
FULL = "The machine that runs Podium has no room for this file. Free some of its disk."


class NoFiles(FileUploadHandler):
    """Of a form that expects none: what is sent goes nowhere, whoever sends it."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


class IncomingFile(TemporaryUploadedFile):
    """A file that is being sent, in the folder of uploads: moving it from there copies nothing."""

    def __init__(self, name: str, content_type: str, charset: str | None) -> None:
        folder = incoming_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(prefix=PREFIX, dir=folder)  # noqa: SIM115 - closed by us
        UploadedFile.__init__(self, file, name, content_type, 0, charset)


class Receiver(TemporaryFileUploadHandler):
    """Writes what comes to the disk; says in `refused` why it does not."""

    refused = ""

    @property
    def announced(self) -> int:
        """Bytes that the browser sends."""
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
        if self.announced > settings.MAX_UPLOAD_BYTES + FORM_BYTES:
            self.refuse(too_large())
        try:
            self.file = IncomingFile(file_name, content_type, charset)
            if shutil.disk_usage(incoming_folder()).free < self.announced + RESERVED_BYTES:
                self.refuse(FULL)
        except OSError as error:
            self.refuse(trouble(error))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            self.file.write(raw_data)
        except OSError as error:
            self.refuse(trouble(error))

    def file_complete(self, file_size: int) -> UploadedFile | None:
        try:
            self.file.flush()
        except OSError as error:
            self.refuse(trouble(error))
        return super().file_complete(file_size)

    def refuse(self, reason: str) -> None:
        """What still comes is read and dropped, so that the browser shows the answer."""
        self.refused = reason
        raise StopUpload


def refused(request: HttpRequest) -> str:
    """Why a request's file was not taken; empty where it was, or none came."""
    handlers = request.upload_handlers
    return next((h.refused for h in handlers if isinstance(h, Receiver)), "")


def too_large() -> str:
    most = filesizeformat(settings.MAX_UPLOAD_BYTES)
    return (
        f"The file is larger than {most}, the most that is taken here. Compress it with gzip, send "
        "it in parts, or import it on the machine itself with manage.py import_rankings."
    )


def trouble(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return FULL
    return f"The machine that runs Podium could not store the file: {error.strerror}."


def incoming_folder() -> Path:
    return Path(settings.DATA_DIR) / "uploads"


def remove_stale() -> None:
    """Remove what was left of files whose receiving process was killed."""
    for path in incoming_folder().glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):  # another upload has just ended
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()
