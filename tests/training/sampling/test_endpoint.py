"""The program that asks an endpoint. tests/labelapp/test_sampling.py samples through it."""

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from training.errors import UserError
from training.sampling import endpoint as program
from training.sampling.endpoint import BusyError, Endpoint, is_address, seconds, wait_before_retry

ROOT = Path(__file__).resolve().parents[3]
GOOD = json.dumps({"choices": [{"message": {"content": "Blue."}}]}).encode()
BODY = {"model": "gpt", "messages": [{"role": "user", "content": "Why?"}]}


class Server(ThreadingHTTPServer):
    """Gives the answers of a list of (status, headers, bytes), and then good ones."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.answers = []
        self.asked = 0


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        answers = self.server.answers
        status, headers, raw = answers.pop(0) if answers else (200, {}, GOOD)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    found = Server()
    thread = threading.Thread(target=found.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def asking(url, retries=0, timeout=10.0):
    return Endpoint(
        argparse.Namespace(
            endpoint=url,
            model="gpt",
            key_variable="KITCHEN_KEY",
            timeout=timeout,
            retries=retries,
        )
    )


def test_a_busy_server_is_asked_again_when_it_says(server):
    server.answers = [(429, {"Retry-After": "0"}, b"{}"), (503, {"Retry-After": "0"}, b"{}")]
    assert asking(server.url, retries=2).ask_patiently(BODY)[0]["message"]["content"] == "Blue."
    assert server.asked == 3


def test_a_server_never_makes_us_wait_for_longer_than_a_minute():
    assert wait_before_retry(BusyError("busy", 3600.0)) == 60.0
    assert wait_before_retry(BusyError("busy", 0.0)) == 0.0
    assert wait_before_retry(BusyError("busy")) is True
    assert wait_before_retry(UserError("no model")) is False
    assert [seconds(text) for text in ("1.5", "-1", "nan", "inf", "soon", None)] == [
        *(1.5, 0.0),
        *(None, None, None, None),
    ]


def test_no_more_of_an_answer_is_read_than_a_limit(server, monkeypatch):
    monkeypatch.setattr(program, "MAX_ANSWER_BYTES", len(GOOD))
    assert asking(server.url).ask_patiently(BODY)
    server.answers = [(200, {}, GOOD + b" " * 100_000 + b"}")]
    assert asking(server.url).ask_patiently(BODY)  # what lies beyond the limit is never seen
    monkeypatch.setattr(program, "MAX_ANSWER_BYTES", len(GOOD) - 1)
    with pytest.raises(UserError, match="answers with something that is not JSON, 1 times in a"):
        asking(server.url).ask_patiently(BODY)


def test_an_answer_that_breaks_off_is_asked_for_again(server):
    server.answers = [(200, {"Content-Length": "1000"}, GOOD)] * 2
    with pytest.raises(UserError, match=r"breaks off: .*, 1 times in a row"):
        asking(server.url).ask_patiently(BODY)
    assert asking(server.url, retries=1).ask_patiently(BODY)
    assert server.asked == 3


def test_a_server_that_says_nothing_in_time_is_busy():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match=r"does not answer within 0\.05 s, 1 times in a row"):
            asking(url, timeout=0.05).ask_patiently(BODY)


def test_a_proxy_for_http_never_sees_a_key(server, monkeypatch):
    monkeypatch.setenv("KITCHEN_KEY", "sk-secret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    assert asking(server.url).ask_patiently(BODY)


def test_a_proxy_for_https_passes_the_key_on_unread(monkeypatch):
    monkeypatch.setenv("KITCHEN_KEY", "sk-secret")
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.getsockname()[1]}")
        heard = []

        def refuse():
            connection, _ = proxy.accept()
            with connection:
                heard.append(connection.recv(2**16))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(UserError, match="cannot be reached: 403 Forbidden"):
            asking("https://models.example").ask_patiently(BODY)
        thread.join()
    assert heard[0].startswith(b"CONNECT models.example:443 ")
    assert b"sk-secret" not in heard[0]
    monkeypatch.setenv("https_proxy", "gopher://127.0.0.1")
    with pytest.raises(UserError, match="the proxy in https_proxy is not an address"):
        asking("https://models.example")
    monkeypatch.setenv("no_proxy", "models.example")
    assert asking("https://models.example")


def test_what_is_no_address_is_refused():
    good = ("http://localhost:8000/v1", "https://models.example", "http://[::1]:8000")
    bad = ("localhost:8000", "ftp://a", "http://", "http://a:80o0", "http://[::1/v1")
    assert [is_address(url) for url in (*good, *bad)] == [True] * 3 + [False] * 5


def test_retries_leave_nothing_on_standard_error(server):
    server.answers = [(503, {"Retry-After": "0"}, b"{}")]
    prompt = {"messages": [{"role": "user", "content": "A secret?"}], "count": 1}
    request = {"id": 1, "temperature": 1.0, "seed": 0, "prompts": [prompt]}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "training.sampling.endpoint", "--endpoint", server.url),
            *("--model", "gpt", "--key-variable", "KITCHEN_KEY"),
        ],
        cwd=ROOT,
        env=os.environ | {"KITCHEN_KEY": "sk-secret"},
        input=json.dumps(request) + "\n",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr, server.asked) == (0, "", 2)
    answer = json.loads(done.stdout.splitlines()[1])
    assert answer == {"id": 1, "found": [{"texts": ["Blue."], "cut": 0}]}
