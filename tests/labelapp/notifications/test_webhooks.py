"""Webhooks: signed, once, tried again, set by managers, and never to a machine of this network."""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from django.utils import timezone, translation

from labelapp.jobs import jobs, workers
from labelapp.models import Member, Project, TrainingRun, User, Webhook, WebhookCall
from labelapp.notifications import posting, tasks, webhooks
from labelapp.notifications.telling import tell_of_message
from labelapp.people import records
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
URL = "/projects/kitchen/webhook/"


class Receiver(HTTPServer):
    """A program that answers calls with `status`, and keeps them."""

    status = 200
    received: list[tuple[dict[str, str], bytes]]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def listening() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), Handler)
    server.received = []
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    settings.PUBLIC_URL = "https://podium.example.org"
    with listening() as server:
        yield server


@pytest.fixture
def webhook(project: Project, receiver: Receiver) -> Webhook:
    return webhooks.save(project, f"http://127.0.0.1:{receiver.server_port}/hook?a=1")


def end_run(project: Project) -> TrainingRun:
    run = TrainingRun(project=project)
    jobs.start(run)
    jobs.execute(run, lambda: None)
    return run


def try_again() -> None:
    WebhookCall.objects.filter(due_at__isnull=False).update(
        due_at=timezone.now() - timedelta(seconds=1)
    )
    webhooks.call_due()


def test_an_event_is_posted_once_and_signed(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    run = end_run(project)
    assert receiver.received == []  # not by who has told it
    assert webhooks.call_due() == 1
    assert webhooks.call_due() == 0
    ((headers, body),) = receiver.received
    content = json.loads(body)
    assert content["type"] == "run_done"
    assert content["data"] == {
        "project": "kitchen",
        "link": f"https://podium.example.org/projects/kitchen/runs/{run.pk}/",
        "name": "",
        "number": run.pk,
    }
    # By the words of the specification.
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(webhook.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_that_of_the_specifications_example() -> None:
    found = posting.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [301, 404, 500])
def test_a_failed_call_is_tried_again_with_the_same_id(
    project: Project, webhook: Webhook, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    end_run(project)
    assert webhooks.call_due() == 0
    failed = WebhookCall.objects.get()
    assert posting.said(failed.problem, failed.problem_values) == f"127.0.0.1 answered {status}."
    assert failed.due_at is not None
    assert failed.due_at > timezone.now()
    receiver.status = 204
    try_again()
    failed.refresh_from_db()
    assert failed.delivered_at is not None
    first, second = (headers["webhook-id"] for headers, _ in receiver.received)
    assert first == second


def test_a_call_is_given_up_in_the_end(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.status = 500
    end_run(project)
    for _ in range(len(webhooks.WAITS) + 1):
        try_again()
    assert not webhooks.is_due()
    assert len(receiver.received) == len(webhooks.WAITS) + 1
    assert WebhookCall.objects.get().due_at is None


def test_a_machine_that_is_away_fails_the_call_and_nothing_else(
    project: Project, settings: Any
) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    webhooks.save(project, f"http://127.0.0.1:{port}/")
    end_run(project)
    assert webhooks.call_due() == 0
    failed = WebhookCall.objects.get()
    said = posting.said(failed.problem, failed.problem_values)
    assert said == "127.0.0.1 does not answer (ConnectionRefusedError)."


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::808:808]/",
        "http://[::808:808]/",
        "http://[2002:7f00:1::]/",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@example.org/",
        "https://example.org/a b",
        "https://example.org/\r\nX-Header: 1",
        "https://example.org:notaport/",
        "javascript:alert(1)",
    ],
)
def test_an_address_of_this_network_or_of_another_kind_is_refused(
    manager: Member, address: str
) -> None:
    answer = sign_in(manager).post(URL, {"url": address})
    assert answer.status_code == 422
    assert not Webhook.objects.exists()


def test_a_name_that_leads_to_this_network_is_not_called(project: Project, settings: Any) -> None:
    with listening() as server:
        webhooks.save(project, f"http://localhost:{server.server_port}/")
        end_run(project)
        webhooks.call_due()
        assert server.received == []
    assert "private network" in WebhookCall.objects.get().problem


def test_a_connection_looks_at_the_addresses_that_it_opens() -> None:
    with listening() as server:
        connection = posting.Guarded("localhost", server.server_port, timeout=5)
        with pytest.raises(posting.PostError):
            connection.request("POST", "/", b"{}")
        connection.close()
        assert server.received == []


STATUS = b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1000
HANDSHAKE = b"\x16\x03\x03\x40\x00" + b"\x02" * 1000  # the beginning of a long TLS record


@pytest.mark.parametrize(("scheme", "answer"), [("http", STATUS), ("https", HANDSHAKE)])
def test_a_server_that_answers_byte_by_byte_is_cut_off(
    settings: Any, monkeypatch: Any, scheme: str, answer: bytes
) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    monkeypatch.setattr(posting, "TIMEOUT", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                for byte in answer:
                    connection.send(bytes([byte]))
                    time.sleep(0.03)

        thread = Thread(target=drip, daemon=True)
        thread.start()
        began = time.monotonic()
        with pytest.raises(posting.PostError, match="does not answer"):
            posting.post(
                f"{scheme}://127.0.0.1:{server.getsockname()[1]}/", "whsec_QQ==", "podium-1", {}
            )
        assert time.monotonic() - began < 5  # of the 30 seconds that the answer takes
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_a_call_that_ends_its_worker_each_time_is_given_up(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    end_run(project)
    for _ in range(len(webhooks.WAITS) + 1):
        due_at = WebhookCall.objects.get().due_at
        assert webhooks.claim(WebhookCall.objects.get().pk, due_at)  # and no more: it was killed
    try_again()
    assert receiver.received == []
    given_up = WebhookCall.objects.get()
    assert (given_up.due_at, given_up.problem) == (None, webhooks.INTERRUPTED)


def test_a_webhook_that_is_removed_before_its_call_is_not_called(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    end_run(project)
    pk = WebhookCall.objects.get().pk
    webhook.delete()
    assert webhooks.call(pk) is False
    assert receiver.received == []


def test_a_problem_is_shown_in_the_readers_language(
    manager: Member, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.status = 500
    end_run(manager.project)
    with translation.override("ar"):  # of whoever calls
        webhooks.call_due()
    client = sign_in(manager)
    assert "127.0.0.1 answered 500." in client.get(URL).content.decode()
    client.post("/language/", {"language": "de", "next": "/"})
    assert "127.0.0.1 hat mit 500 geantwortet." in client.get(URL).content.decode()
    WebhookCall.objects.update(problem="50 % of an earlier version", problem_values={})
    assert "50 % of an earlier version" in client.get(URL).content.decode()


def test_messages_between_two_people_are_not_told(
    manager: Member, labeller: Member, webhook: Webhook
) -> None:
    assert manager.user
    message = records.send(member=labeller, by=manager.user, text="Hello")
    tell_of_message(message)
    assert not WebhookCall.objects.exists()


def test_a_deleted_projects_webhook_is_not_called(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    end_run(project)
    Project.objects.update(deleted_at=timezone.now())
    assert not webhooks.is_due()  # or workers would enqueue a task for it again and again
    webhooks.call_due()
    assert receiver.received == []


def test_the_worker_makes_the_calls(project: Project, webhook: Webhook) -> None:
    end_run(project)
    workers.settle()
    assert tasks.call_webhooks.module_path in list(
        tasks.DBTaskResult.objects.values_list("task_path", flat=True)
    )


def test_a_manager_sets_tests_renews_and_removes_it(manager: Member, receiver: Receiver) -> None:
    client = sign_in(manager)
    address = f"http://127.0.0.1:{receiver.server_port}/"
    assert client.post(URL, {"url": address}).status_code == 302
    first = Webhook.objects.get()
    assert first.secret in client.get(URL).content.decode()
    client.post(f"{URL}act/", {"act": "test"})
    webhooks.call_due()
    assert json.loads(receiver.received[0][1])["type"] == "test"
    assert "delivered" in client.get(URL).content.decode()
    client.post(URL, {"url": f"{address}other"})
    assert Webhook.objects.get().secret == first.secret
    client.post(f"{URL}act/", {"act": "secret"})
    assert Webhook.objects.get().secret != first.secret
    client.post(f"{URL}act/", {"act": "remove"})
    assert not Webhook.objects.exists()
    assert client.post(f"{URL}act/", {"act": "test"}).status_code == 404


def test_only_managers_see_the_secret(
    webhook: Webhook, reviewer: Member, labeller: Member, outsider: User
) -> None:
    for member in (reviewer, labeller):
        assert sign_in(member).get(URL).status_code == 403
        assert sign_in(member).post(f"{URL}act/", {"act": "remove"}).status_code == 403
    assert sign_in(outsider).get(URL).status_code == 404
    assert Webhook.objects.exists()
