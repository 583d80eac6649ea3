"""`manage.py serve`: run the web server and the task workers until Ctrl-C."""

import argparse
import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from labelapp.jobs.environment import environment
from labelapp.jobs.files import runs_dir
from training.child_process import for_child

STOP_SECONDS = 15
STOP_WEB_SECONDS = 5  # for open requests; less than STOP_SECONDS
STOP_REWARDS_SECONDS = 60  # for the requests that the reward service is answering
RELEASE_SECONDS = STOP_WEB_SECONDS + 2  # for the processes of a `serve` that was killed
# Threads of all web processes together. An upload occupies a thread until it is complete, so there
# are many. Each keeps a connection to the database, and PostgreSQL allows 100 by default. Threads
# start when they are needed.
THREADS = 90
IDLE_SECONDS = 600  # granian's maximum; the connection of an ended thread stays open for a while
CLEAN_UP = [sys.executable, "manage.py", "clean_up"]
HELPER_SECONDS = 30  # between two starts of a helper, should it end at once
REWARDS = "127.0.0.1:8010"
CLEAN_UP_SECONDS = 24 * 60 * 60
WORKERS = {"default": "task worker", "training": "training worker"}  # by queue


class Address(NamedTuple):
    """The address of the web server."""

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
    host = host.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 - the user omitted the host
    try:
        family, *_, found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise argparse.ArgumentTypeError(
            f"{host!r} is neither an IP address nor a name that this machine knows"
        ) from None
    return Address(text, family, str(found[0]), int(port))


@dataclass
class Helper:
    """A process beside the web server, which is started again should it end."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    tells_web: Mapping[str, str]
    """Environment variables by which the pages find it."""
    is_quiet: bool = False
    stop_seconds: float = STOP_SECONDS
    start_at: float = field(default_factory=time.monotonic)

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the process; it is not started again before HELPER_SECONDS."""
        self.start_at = time.monotonic() + HELPER_SECONDS
        out = subprocess.DEVNULL if self.is_quiet else None
        return subprocess.Popen(
            self.command, cwd=settings.BASE_DIR, env=dict(self.env), stdout=out, stderr=out
        )


class Command(BaseCommand):
    help = (
        "Serve the web pages with granian, and run two task workers, one for training and one for "
        "other tasks, in separate processes. A worker that dies is restarted. Where PyTorch is "
        "installed, TensorBoard and the reward service run beside them."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--bind", type=address, default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--workers", type=int, default=2, help="web processes; default 2")
        parser.add_argument(
            "--rewards",
            type=address,
            metavar="HOST:PORT",
            help=f"address of the reward service; default {REWARDS}, or a free port if it is taken",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        bind: Address = options["bind"]
        check_free(bind)
        if options["rewards"] is not None:
            check_free(options["rewards"], "--rewards")
        signal.signal(signal.SIGTERM, interrupt)
        processes: dict[str, subprocess.Popen[bytes]] = {}
        helpers = [*tensorboard(), *reward_service(options["rewards"])]
        told = {name: value for helper in helpers for name, value in helper.tells_web.items()}
        try:
            processes["web"] = subprocess.Popen(
                web_server(bind, options["workers"]),
                cwd=settings.BASE_DIR,
                env=for_child()
                | {"GRANIAN_BLOCKING_THREADS": str(threads(options["workers"]))}
                | told,
            )
            self.stdout.write(f"Podium is running at http://{bind.text}/ (press Ctrl-C to stop)")
            clean_up_at = time.monotonic()
            while processes["web"].poll() is None:
                for queue, name in WORKERS.items():
                    if ended(processes.get(queue)):
                        processes[queue] = subprocess.Popen(
                            worker(queue), cwd=settings.BASE_DIR, env=for_child()
                        )
                        self.stdout.write(f"The {name} is process {processes[queue].pid}.")
                        self.stdout.flush()
                for helper in helpers:
                    if ended(processes.get(helper.name)) and time.monotonic() >= helper.start_at:
                        processes[helper.name] = helper.start()
                if time.monotonic() >= clean_up_at:
                    processes["clean-up"] = subprocess.Popen(CLEAN_UP, cwd=settings.BASE_DIR)
                    clean_up_at += CLEAN_UP_SECONDS
                time.sleep(1)
        except KeyboardInterrupt:
            return
        finally:
            stop(processes, {helper.name: helper.stop_seconds for helper in helpers})
        raise CommandError(f"the web server ended with status {processes['web'].returncode}")


def ended(process: "subprocess.Popen[bytes] | None") -> bool:
    """Return True if the process has not been started, or has ended."""
    return process is None or process.poll() is not None


def tensorboard() -> list[Helper]:
    """Return TensorBoard, if it is installed.

    Its path is secret, because it asks for no sign-in.
    """
    if find_spec("tensorboard") is None:
        return []
    url = f"http://127.0.0.1:{free_port()}/{secrets.token_urlsafe(24)}"
    told = {"TENSORBOARD_URL": url}
    command = [sys.executable, "-m", "training.programs.tensorboard", str(runs_dir())]
    return [Helper("TensorBoard", command, for_child() | told, told, is_quiet=True)]


def reward_service(bind: Address | None) -> list[Helper]:
    """Return the reward service of all projects, unless it runs elsewhere or PyTorch is missing.

    Without an address, it is at REWARDS, or at a free port where that is taken.
    """
    if settings.REWARD_SERVER_URL or find_spec("torch") is None or find_spec("uvicorn") is None:
        return []
    usual = address(REWARDS)
    if bind is None:
        bind = usual if why_taken(usual) is None else address(f"127.0.0.1:{free_port()}")
    # The pages ask with a token of their own, so that no other process of the machine can.
    token = os.environ.get("REWARD_SERVER_TOKEN") or secrets.token_urlsafe(32)
    at = f"[{bind.host}]:{bind.port}" if ":" in bind.host else f"{bind.host}:{bind.port}"
    command = [sys.executable, "-m", "training.serve", "--all-projects"]
    command += [f"--stop-seconds={STOP_REWARDS_SECONDS}", "--bind", at]
    data_dir = {"DATA_DIR": str(settings.DATA_DIR)}
    told = {"REWARD_SERVER_URL": f"http://{at}", "REWARD_SERVER_TOKEN": token}
    env = environment() | data_dir | {"REWARD_SERVER_TOKEN": token}
    patience = STOP_REWARDS_SECONDS + STOP_SECONDS  # it ends by itself, and is killed if it hangs
    return [Helper("reward service", command, env, told, stop_seconds=patience)]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def check_free(bind: Address, option: str = "--bind (make: BIND=127.0.0.1:8001)") -> None:
    """Raise CommandError if the address is in use, and stays so for RELEASE_SECONDS.

    granian would share the port with another granian, and each would get half of the requests.
    """
    deadline = time.monotonic() + RELEASE_SECONDS
    while (problem := why_taken(bind)) is not None:
        if problem.errno != errno.EADDRINUSE or time.monotonic() > deadline:
            raise CommandError(
                f"{bind.text} cannot be used: {problem.strerror}; "
                f"choose another address with {option}"
            ) from problem
        time.sleep(0.2)


def why_taken(bind: Address) -> OSError | None:
    """Return the error of binding a socket to the address, or None if the address is free."""
    with socket.socket(bind.family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.host, bind.port))
        except OSError as error:
            return error
    return None


def threads(workers: int) -> int:
    """Return the number of threads of each web process; labelapp/wsgi.py reads it as well."""
    return max(1, THREADS // max(1, workers))


def web_server(bind: Address, workers: int) -> list[str]:
    """Return the command of the web server."""
    return [
        sys.executable,
        "-m",
        "labelapp.management.granian",
        "labelapp.wsgi:application",
        "--interface=wsgi",
        "--http=1",
        f"--host={bind.host}",
        f"--port={bind.port}",
        f"--workers={workers}",
        f"--blocking-threads-idle-timeout={IDLE_SECONDS}",
        "--respawn-failed-workers",
        f"--workers-kill-timeout={STOP_WEB_SECONDS}",
        "--log-level=error",
    ]


def worker(queue: str) -> list[str]:
    """Return the command of a task worker."""
    quietly = ("--no-reload", "--verbosity", "0")
    return [sys.executable, "manage.py", "db_worker", "--queue-name", queue, *quietly]


def interrupt(*_: object) -> None:
    """End the command on SIGTERM as on Ctrl-C."""
    raise KeyboardInterrupt


def stop(processes: Mapping[str, "subprocess.Popen[bytes]"], patience: Mapping[str, float]) -> None:
    """Terminate the processes, twice if necessary: a worker first waits for its task.

    A process that has not ended after STOP_SECONDS, or after those that `patience` gives it, is
    killed.
    """
    began = time.monotonic()
    deadlines = {name: began + patience.get(name, STOP_SECONDS) for name in processes}
    for again_at in (began + 1, max(deadlines.values(), default=began)):
        for process in processes.values():
            if process.poll() is None:
                process.terminate()
        while running := [name for name in processes if processes[name].poll() is None]:
            now = time.monotonic()
            for name in running:
                if now > deadlines[name]:
                    processes[name].kill()
            if now > again_at:
                break
            time.sleep(0.1)
    for process in processes.values():
        if process.poll() is None:
            process.kill()
