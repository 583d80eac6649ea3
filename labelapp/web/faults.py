"""Answer requests while the database or the disk cannot be used.

Such a fault of the machine is not a bug in Podium: the answer is 503 with a sentence, and the log
gets one line a minute.
"""

import errno
import logging
import sqlite3
import sys
import time
from typing import NamedTuple

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.defaults import server_error

LOG_SECONDS = 60  # between two lines about the same fault
READ_ONLY_TRANSACTION = "25006"  # of PostgreSQL

logger = logging.getLogger(__name__)
logged: dict[str, float] = {}  # when each fault was logged


class Fault(NamedTuple):
    """A fault of the machine, in the words of the page that is shown meanwhile."""

    name: str
    title: str | Promise
    sentence: str | Promise
    retry_after: int  # seconds


BUSY = Fault(
    "busy",
    _("Podium is busy"),
    _("Something large is being written. Nothing you entered is lost."),
    5,
)
AWAY = Fault(
    "database away",
    _("The database cannot be reached"),
    _("Everything stored so far is safe. If this lasts, tell whoever runs Podium."),
    15,
)
FULL = Fault(
    "disk full",
    _("The server’s disk is full"),
    _(
        "Nothing can be stored until whoever runs Podium frees some space. Everything stored so "
        "far is safe."
    ),
    30,
)
READ_ONLY = Fault(
    "read-only",
    _("The server cannot write"),
    _(
        "Its disk or its database is read-only, so nothing can be stored until whoever runs Podium "
        "changes that. Everything stored so far is safe."
    ),
    30,
)
OF_DISK = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: READ_ONLY,
}
OF_SQLITE = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
}


def fault_of(error: BaseException | None) -> Fault | None:
    """Return the fault of the machine that caused an error, or None if it is another error."""
    if isinstance(error, OSError):
        return OF_DISK.get(error.errno or 0)
    if isinstance(error, InternalError):
        code = getattr(error.__cause__, "sqlstate", None)
        return READ_ONLY if code == READ_ONLY_TRANSACTION else None
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    if "database is locked" in str(error):
        return BUSY
    if getattr(error.__cause__, "sqlstate", None) == "53100":  # disk_full
        return FULL
    code = int(getattr(error.__cause__, "sqlite_errorcode", None) or 0)
    return OF_SQLITE.get(code & 0xFF, AWAY)


def fault_response(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Return a 503 page if the machine caused the error; it needs no database to be rendered."""
    fault = fault_of(error)
    if fault is None:
        return None
    log(fault, error)
    reloads = request.method == "GET" and "HX-Request" not in request.headers
    context = {"fault": fault, "path": request.path, "reloads": reloads}
    content = render_to_string("503.html", context)
    return HttpResponse(content, status=503, headers={"Retry-After": str(fault.retry_after)})


def log(fault: Fault, error: BaseException | None) -> None:
    """Log a fault in one line, at most once in LOG_SECONDS."""
    now = time.monotonic()
    if now - logged.get(fault.name, -LOG_SECONDS) >= LOG_SECONDS:
        logged[fault.name] = now
        logger.error("%s: %s", fault.name, " ".join(str(error).split()))


def error_page(request: HttpRequest) -> HttpResponse:
    """Return the page of an error that no view has handled; urls.py names it as handler500.

    Middleware also reads the database, and its errors come here.
    """
    return fault_response(request, sys.exception()) or server_error(request)


class NoFaults(logging.Filter):
    """Leave out Django's records of 503 answers, of which there is one a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != 503
