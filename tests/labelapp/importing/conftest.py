"""A manager who uploads files, and an endpoint from which responses are sampled."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from labelapp.models import Member, Project, Prompt
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.importing.sampled import Endpoint


@pytest.fixture
def client(manager: Member) -> Client:
    return sign_in(manager)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prompts(project: Project, add_prompt: AddPrompt) -> list[Prompt]:
    """Prompts without responses, outside the queue."""
    return [add_prompt(f"Number {number}?", [], wanted=0) for number in range(3)]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes lines to a file: objects as JSON, bytes unchanged."""

    def write(*lines: Any, name: str = "rankings.jsonl") -> str:
        raw = b"".join(
            (x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines
        )
        path = tmp_path / name
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return str(path)

    return write
