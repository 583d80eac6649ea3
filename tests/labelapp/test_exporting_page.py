"""The page of exporting: a manager chooses a format and gets a download."""

from typing import Any

import pytest
from django.test import Client

from labelapp.models import Member, User
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.exported import lines

URL = "/projects/kitchen/export/"


def test_a_manager_downloads_what_the_command_writes(
    manager: Member, add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any
) -> None:
    add_ranking(add_prompt("Wörds?"), ann, [1, 2, 2, 3])
    client = sign_in(manager)
    assert f'href="{URL}"' in client.get("/projects/kitchen/").content.decode()
    assert "Download" in client.get(URL).content.decode()
    response = client.get(f"{URL}file/", {"format": "jsonl"})
    assert response.streaming
    assert response["Content-Disposition"] == 'attachment; filename="kitchen.jsonl"'
    assert "no-store" in response["Cache-Control"]
    assert b"".join(response.streaming_content).decode() == export()


@pytest.mark.parametrize(
    ("asked", "name"),
    [("trl", "kitchen.trl.jsonl"), ("nemo", "kitchen.nemo.jsonl"), ("csv", "kitchen.csv")],
)
def test_a_download_is_in_the_format_that_was_chosen(
    manager: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    export: Any,
    asked: str,
    name: str,
) -> None:
    add_ranking(add_prompt(), ann, [1, 2, 2, 3])
    response = sign_in(manager).get(f"{URL}file/", {"format": asked})
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert b"".join(response.streaming_content).decode() == export("--format", asked)


def test_a_download_has_the_earlier_versions_when_asked(
    manager: Member, add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, ann, [1, 2, 3, 4], is_current=False)
    add_ranking(prompt, ann, [4, 3, 2, 1], version=2)
    asked = {"format": "jsonl", "all_versions": "on"}
    response = sign_in(manager).get(f"{URL}file/", asked)
    found = lines(b"".join(response.streaming_content).decode())
    assert [line.get("version") for line in found] == [None, 1, 2]


@pytest.mark.parametrize("asked", ["", "parquet"])
def test_a_format_that_there_is_not_is_refused_in_the_form(manager: Member, asked: str) -> None:
    response = sign_in(manager).get(f"{URL}file/", {"format": asked})
    assert response.status_code == 422
    assert "errorlist" in response.content.decode()


@pytest.mark.parametrize("path", [URL, f"{URL}file/?format=jsonl"])
def test_only_managers_export(
    path: str, manager: Member, reviewer: Member, labeller: Member, outsider: User
) -> None:
    assert sign_in(reviewer).get(path).status_code == 403
    assert sign_in(labeller).get(path).status_code == 403
    assert sign_in(outsider).get(path).status_code == 404
    assert Client().get(path).status_code == 302
    assert sign_in(manager).post(path).status_code == 405
    assert "export" not in sign_in(reviewer).get("/projects/kitchen/").content.decode()
