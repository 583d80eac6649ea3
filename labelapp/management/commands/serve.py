"""`manage.py serve`: the pages and the task workers, until Ctrl-C."""

import argparse
import signal
import socket
import subprocess
import sys
import time
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

STOP_SECONDS = 15
STOP_WEB_SECONDS = 5  # for requests that are being answered; less than STOP_SECONDS
THREADS = 90
"""Requests that are answered at the same time, by all web processes together. A form keeps a thread
for as long as it takes to arrive, so there are many; each keeps a connection to the database, and
PostgreSQL takes 100. A thread starts when it is needed."""
IDLE_SECONDS = 600  # granian's most: a thread that ends leaves its connection to Python's collector
WORKERS = {"default": "task worker", "training": "training worker"}  # by queue


class Address(NamedTuple):
    """Where the pages are served."""

    text: str
    family: socket.AddressFamily
    host: str
    port: int


def address(text: str) -> Address:
    """Return the address in HOST:PORT; the host is a name, or an IP address (IPv6 in brackets)."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST:PORT with a port from 1 to 65535, as in 127.0.0.1:8000"
        )
    host = host.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 - as it was asked for
    try:
        family, *_, found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise argparse.ArgumentTypeError(
            f"{host!r} is neither an IP address nor a name that this machine knows"
        ) from None
    return Address(text, family, str(found[0]), int(port))


class Command(BaseCommand):
    help = (
        "Serve the pages with granian and run two task workers beside it, one that trains and one "
        "for the rest, each a process of its own. A worker that dies is started again; the pages "
        "stay."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--bind", type=address, default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--workers", type=int, default=2, help="web processes; default 2")

    def handle(self, *args: Any, **options: Any) -> None:
        bind: Address = options["bind"]
        check_free(bind)
        signal.signal(signal.SIGTERM, interrupt)
        processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            processes["web"] = subprocess.Popen(
                web_server(bind, options["workers"]), cwd=settings.BASE_DIR
            )
            self.stdout.write(f"Podium is at http://{bind.text}/ (Ctrl-C stops it)")
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
        raise CommandError(f"the web server ended with status {processes['web'].returncode}")


def check_free(bind: Address) -> None:
    """Raise CommandError where the address cannot be had.

    granian itself would share a port with another granian, and each would get half the requests.
    """
    with socket.socket(bind.family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.host, bind.port))
        except OSError as error:
            raise CommandError(
                f"{bind.text} cannot be used: {error.strerror}; "
                "choose another address with --bind (make: BIND=127.0.0.1:8001)"
            ) from error


def web_server(bind: Address, workers: int) -> list[str]:
    """Return the command of the web server."""
    threads = max(1, THREADS // max(1, workers))
    return [
        *(sys.executable, "-m", "granian", "labelapp.wsgi:application"),
        *("--interface", "wsgi", "--http", "1", "--host", bind.host, "--port", str(bind.port)),
        *("--workers", str(workers), "--blocking-threads", str(threads)),
        *("--blocking-threads-idle-timeout", str(IDLE_SECONDS)),
        *("--respawn-failed-workers", "--workers-kill-timeout", str(STOP_WEB_SECONDS)),
        *("--log-level", "error"),
    ]


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
