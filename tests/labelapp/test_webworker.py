"""The web server's processes: a request goes to one that has nothing to do."""

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest

from benchmarks.installation import free_port

APP = """
import gc, json, os, time

inside = 0

def app(environ, start_response):
    global inside
    inside += 1
    together = inside
    time.sleep(float(environ["PATH_INFO"].strip("/")))
    inside -= 1
    body = json.dumps([os.getpid(), together, gc.get_freeze_count()]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Two processes whose every answer takes the seconds that its address says."""
    folder: Path = tmp_path_factory.mktemp("web")
    (folder / "slow.py").write_text(APP)
    port = free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "slow:app", "--bind", f"127.0.0.1:{port}"),
            *("--chdir", str(folder), "--workers", "2", "--threads", "4"),
            *("--worker-class", "labelapp.webworker.Worker", "--log-level", "warning"),
        ]
    )
    try:
        until = time.monotonic() + 30
        while len({pid for pid, _ in answers(port, 0.05, 4)}) < 2:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < until, "no server"
        yield port
    finally:
        server.terminate()
        server.wait(30)


def answers(port: int, seconds: float, count: int) -> list[tuple[int, int]]:
    """(process, requests that it had inside) of so many requests at the same moment."""
    with ThreadPoolExecutor(count) as pool:
        found = pool.map(lambda _: ask(port, seconds), range(count))
        return [each for each in found if each]


def ask(port: int, seconds: float) -> tuple[int, int] | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", f"/{seconds}")
        pid, together, _ = json.loads(connection.getresponse().read())
    except OSError:
        return None  # not there yet
    finally:
        connection.close()
    return pid, together


def test_requests_that_come_together_are_shared_out_and_none_disturbs_another(port: int) -> None:
    found = answers(port, 0.05, 8)
    assert len(found) == 8
    by_process = Counter(pid for pid, _ in found)
    assert len(by_process) == 2
    assert min(by_process.values()) >= 2
    assert {together for _, together in found} == {1}


def test_slow_requests_do_not_keep_others_waiting(port: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(ask, port, 3) for _ in range(2)]
        time.sleep(0.2)
        start = time.monotonic()
        for _ in range(10):
            assert ask(port, 0)
        assert time.monotonic() - start < 2
        assert all(each.result() for each in slow)


def test_connections_that_say_nothing_keep_nobody_waiting(port: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    start = time.monotonic()
    assert ask(port, 0)
    assert time.monotonic() - start < 2
    for each in silent:
        each.close()


def test_a_connection_is_kept_until_others_wait(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(3):
        connection.request("GET", "/0")
        answer = connection.getresponse()
        answer.read()
        assert not answer.will_close
    connection.close()


def test_a_process_looks_no_longer_through_what_it_has_loaded(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    frozen = []
    for _ in range(60):
        connection.request("GET", "/0")
        frozen.append(json.loads(connection.getresponse().read())[2])
    connection.close()
    assert frozen[-1] > 1000


def test_a_browser_that_does_not_close_its_end_keeps_nobody_waiting(port: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        held = [pool.submit(held_open, port) for _ in range(8)]
        connections = [each.result() for each in held]
    start = time.monotonic()
    assert answers(port, 0, 4)
    assert time.monotonic() - start < 1
    for connection in connections:
        connection.close()


def held_open(port: int) -> socket.socket:
    """A connection that was answered, and that the browser leaves as it is."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(b"GET /0.02 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in connection.recv(1000)
    return connection
