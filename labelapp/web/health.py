"""Tell a supervisor or a load balancer whether this process answers, and whether all is ready.

/healthz answers 200 while the process answers at all. /readyz answers 200, or 503 with the reasons.
Neither needs a sign-in or names anything secret.
"""

import shutil
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from labelapp.db.locks import queues_without_worker

RESERVED_BYTES = 256 * 2**20  # free disk space that labelling needs
METHODS = ["GET", "HEAD"]


class HealthMiddleware:
    """Answer /healthz and /readyz before anything looks at the session or the host."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.is_migrated = False  # once it is, it stays so while this process runs

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = {"/healthz": self.health, "/readyz": self.readiness}.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        response = answer()
        response["Cache-Control"] = "no-store"
        response["Content-Length"] = str(len(response.content))
        return response

    def health(self) -> HttpResponse:
        return JsonResponse({"status": "ok"})

    def readiness(self) -> HttpResponse:
        problems = {
            "database": self.database_problem(),
            "disk": disk_problem(),
            "workers": workers_problem(),
        }
        reasons = [problem for problem in problems.values() if problem]
        checks = {name: "failed" if problem else "ok" for name, problem in problems.items()}
        found = {"status": "not ready" if reasons else "ok", "checks": checks, "reasons": reasons}
        return JsonResponse(found, status=503 if reasons else 200)

    def database_problem(self) -> str:
        """Return what is wrong with the database, as a sentence, or ""."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            if not self.is_migrated:
                executor = MigrationExecutor(connection)
                targets = executor.loader.graph.leaf_nodes()
                self.is_migrated = not executor.migration_plan(targets)
        except DatabaseError:
            return "The database cannot be reached."
        return "" if self.is_migrated else "Migrations are missing: run manage.py migrate."


def disk_problem() -> str:
    """Return what is wrong with the disks of DATA_DIR and RUNS_DIR, as a sentence, or ""."""
    for name, path in (("DATA_DIR", settings.DATA_DIR), ("RUNS_DIR", settings.RUNS_DIR)):
        try:
            free = RESERVED_BYTES if path is None else shutil.disk_usage(path).free
        except OSError:
            return f"The folder {name} cannot be read."
        if free < RESERVED_BYTES:
            return f"The disk of {name} has only {free // 2**20} MiB left."
    return ""


def workers_problem() -> str:
    """Return which queues have no worker, as a sentence, or ""."""
    missing = queues_without_worker()
    if not missing:
        return ""
    return f"No worker takes tasks from the queue {' or '.join(missing)}."
