"""TensorBoard inside the application, for administrators."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from torch.utils.tensorboard import SummaryWriter

from labelapp.management.commands.serve import tensorboard
from labelapp.models import Member, User
from tests.waiting import wait_until
from training.child_process import for_child

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def administrator(client: Client, django_user_model: type[User]) -> Client:
    """Return the client of somebody who may open the administration pages."""
    client.force_login(django_user_model.objects.create_superuser("root"))
    return client


@pytest.fixture
def board(settings: Settings, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run TensorBoard on a folder with one run."""
    with SummaryWriter(tmp_path / "kitchen" / "7" / "tensorboard") as writer:
        writer.add_scalar("held_out/accuracy", 0.75, 1)
    [helper] = tensorboard()
    address = helper.tells_web
    settings.TENSORBOARD_URL = address["TENSORBOARD_URL"]
    process = subprocess.Popen(
        [sys.executable, "-m", "training.programs.tensorboard", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **for_child(), **address},
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.terminate()
    process.wait()


def content(response) -> bytes:
    return b"".join(response.streaming_content)


def test_it_shows_the_runs(administrator: Client, board: "subprocess.Popen[bytes]") -> None:
    wait_until(lambda: administrator.get("/tensorboard/").status_code == 200)
    page = administrator.get("/tensorboard/")
    assert b"<title>TensorBoard</title>" in content(page)
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].count("script-src ") == 1
    runs = administrator.get("/tensorboard/data/runs")
    assert runs.headers["content-type"] == "application/json"
    wait_until(
        lambda: b"kitchen/7/tensorboard" in content(administrator.get("/tensorboard/data/runs"))
    )


def test_a_compressed_answer_is_passed_on_as_it_is(
    administrator: Client, board: "subprocess.Popen[bytes]"
) -> None:
    wait_until(lambda: administrator.get("/tensorboard/").status_code == 200)
    runs = administrator.get("/tensorboard/data/runs", headers={"accept-encoding": "gzip"})
    assert runs.headers["content-encoding"] == "gzip"
    assert content(runs).startswith(b"\x1f\x8b")


def test_posts_need_no_token(
    django_user_model: type[User], board: "subprocess.Popen[bytes]"
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(django_user_model.objects.create_superuser("root"))
    wait_until(lambda: client.get("/tensorboard/").status_code == 200)
    path = "/tensorboard/data/plugin/timeseries/timeSeries"
    found = client.post(path, {"requests": '[{"plugin": "scalars", "tag": "held_out/accuracy"}]'})
    assert found.status_code == 200
    assert b"held_out/accuracy" in content(found)


def test_others_may_not_open_it(client: Client, manager: Member, settings: Settings) -> None:
    settings.TENSORBOARD_URL = "http://127.0.0.1:9/secret"
    assert client.get("/tensorboard/").status_code == 302
    client.force_login(manager.user)
    for path in ("/tensorboard/", "/tensorboard/data/runs"):
        assert client.get(path).status_code == 403


def test_without_it_the_page_says_so(administrator: Client, settings: Settings) -> None:
    settings.TENSORBOARD_URL = ""
    page = administrator.get("/tensorboard/")
    assert (page.status_code, b"TensorBoard is not running" in page.content) == (503, True)
    settings.TENSORBOARD_URL = "http://127.0.0.1:9/secret"
    page = administrator.get("/tensorboard/")
    assert (page.status_code, b"TensorBoard does not answer" in page.content) == (503, True)
    assert b"secret" not in page.content
