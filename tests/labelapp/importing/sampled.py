"""An endpoint that answers as it is told, and the command that asks it."""

import io
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labelapp.models import Prompt

Reply = tuple[int, dict[str, Any], dict[str, str]]


class Endpoint(ThreadingHTTPServer):
    """A server that answers like OpenAI's chat completions, or as a test tells it to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.written = 0
        self.lock = threading.Lock()
        self.reply: Callable[[dict[str, Any]], Reply] = self.answer

    def answer(self, body: dict[str, Any]) -> Reply:
        texts = [self.text(body) for _ in range(body.get("n", 1))]
        return 200, {"choices": [choice(text) for text in texts]}, {}

    def text(self, body: dict[str, Any]) -> str:
        with self.lock:
            self.written += 1
            return f"{body['model']} {self.written}"


def choice(text: str | None, reason: str = "stop") -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, "finish_reason": reason}


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body | {"path": self.path})
            self.server.keys.append(self.headers["Authorization"])
        status, answer, headers = self.server.reply(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        pass


def sample(*options: str, model: tuple[str, ...] = ("gpt",)) -> str:
    out = io.StringIO()
    words = ("--project", "kitchen", "--model", *model, *options)
    call_command("sample_responses", *words, stdout=out, stderr=out)
    return out.getvalue()


def refused(*options: str, model: tuple[str, ...] = ("gpt",)) -> str:
    with pytest.raises(CommandError) as error:
        sample(*options, model=model)
    assert "\n" not in str(error.value)
    return str(error.value)


def counts() -> list[int]:
    return [prompt.responses.count() for prompt in Prompt.objects.order_by("pk")]
