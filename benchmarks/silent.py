"""Measure how fast a page responds while other connections stay open and send nothing.

    .venv/bin/python benchmarks/silent.py [--connections 64] [--server COMMAND]

A browser that connects in advance, a phone that loses its network and an attacker look the same to
a server: a connection that stays silent. The benchmark opens three kinds, one after another:
`silent` sends nothing, `half a head` stops in the middle of the request headers, and `half a body`
in the middle of the form. While they are open, the sign-in page is requested repeatedly, each time
over a new connection. The exit status is 1 if a page took longer than --patience seconds.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.installation import (
    CSRF,
    Connection,
    Installation,
    add_server_option,
    quantile,
)

HEAD = f"POST /sign-in/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: csrftoken={CSRF}\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nusername=a"
SENT = {"none": "", "silent": "", "half a head": HEAD, "half a body": HEAD + FORM}


class Answered(NamedTuple):
    """The seconds of the pages that were answered, and the number of late ones."""

    seconds: list[float]
    late: int


@contextmanager
def held_open(port: int, count: int, sent: str = "") -> Iterator[None]:
    """Keep `count` connections open, after sending only `sent` over each of them."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            connection.sendall(sent.encode())
        yield


def ask(port: int, pages: int, patience: float) -> Answered:
    """Request `pages` pages one after another, each over a new connection."""
    seconds: list[float] = []
    late = 0
    for _ in range(pages):
        connection = Connection(port, session="", timeout=patience)
        start = time.perf_counter()
        try:
            if connection.ask("GET", "/sign-in/").status != 200:
                raise SystemExit("the sign-in page did not respond with status 200")
            seconds.append(time.perf_counter() - start)
        except TimeoutError:
            late += 1
            if late == 3:  # the server clearly does not respond
                break
        finally:
            connection.drop()
    return Answered(seconds, late)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument(
        "--patience", type=float, default=5, help="seconds to wait for a page; default 5"
    )
    add_server_option(parser)
    options = parser.parse_args()
    late = 0
    print("| connections held open | half within | the slowest | too late |\n|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        Installation(Path(folder), server=options.server) as installation,
    ):
        installation.start()
        for kind, sent in SENT.items():
            count = options.connections if kind != "none" else 0
            with held_open(installation.port, count, sent):
                answered = ask(installation.port, options.pages, options.patience)
            late += answered.late
            seconds = answered.seconds or [float("nan")]
            print(
                f"| {count or ''} {kind} | {1000 * quantile(seconds, 0.5):.0f} ms "
                f"| {1000 * max(seconds):.0f} ms | {answered.late} |",
                flush=True,
            )
    sys.exit(late > 0)


if __name__ == "__main__":
    main()
