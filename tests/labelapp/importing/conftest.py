"""A manager who uploads files, and an endpoint from which responses are sampled."""

import threading
from collections.abc import Iterator

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
