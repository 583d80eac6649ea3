"""`manage.py serve`: the pages and the task workers, until Ctrl-C."""

import argparse
import signal
import subprocess
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

STOP_SECONDS = 15
WORKERS = {"default": "task worker", "training": "training worker"}  # by queue


class Command(BaseCommand):
    help = (
        "Serve the pages with gunicorn and run two task workers beside it, one that trains and one "
        "for the rest, each a process of its own. A worker that dies is started again; the pages "
        "stay."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--workers", type=int, default=2, help="web processes; default 2")

    def handle(self, *args: Any, **options: Any) -> None:
        web = [
            *(sys.executable, "-m", "gunicorn", "labelapp.wsgi"),
            *("--bind", options["bind"], "--workers", str(options["workers"]), "--threads", "4"),
            *("--worker-class", "labelapp.webworker.Worker"),
            *("--log-level", "warning", "--worker-tmp-dir", str(settings.DATA_DIR)),
        ]
        signal.signal(signal.SIGTERM, interrupt)
        processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            processes["web"] = subprocess.Popen(web, cwd=settings.BASE_DIR)
            self.stdout.write(f"Podium is at http://{options['bind']}/ (Ctrl-C stops it)")
            while processes["web"].poll() is None:
                for queue, name in WORKERS.items():
                    if queue not in processes or processes[queue].poll() is not None:
                        processes[queue] = subprocess.Popen(worker(queue), cwd=settings.BASE_DIR)
                        self.stdout.write(f"The {name} is process {processes[queue].pid}.")
                        self.stdout.flush()
                time.sleep(1)
        except KeyboardInterrupt:
            return
        finally:
            stop(list(processes.values()))
        raise CommandError(
            f"the web server ended with status {processes['web'].returncode}; "
            "if the address is in use, choose another with --bind (make: BIND=127.0.0.1:8001)"
        )


def worker(queue: str) -> list[str]:
    """The command of a task worker."""
    quietly = ("--no-reload", "--verbosity", "0")
    return [sys.executable, "manage.py", "db_worker", "--queue-name", queue, *quietly]


def interrupt(*_: object) -> None:
    """SIGTERM ends the command as Ctrl-C does."""
    raise KeyboardInterrupt


def stop(processes: list["subprocess.Popen[bytes]"]) -> None:
    """Ask the processes to end, twice if need be: the worker first waits for its task."""
    for patience in (1, STOP_SECONDS):
        for process in processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(p.poll() is None for p in processes):
            time.sleep(0.1)
    for process in processes:
        if process.poll() is None:
            process.kill()
