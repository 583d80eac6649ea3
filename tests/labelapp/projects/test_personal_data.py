"""The data stored about a person, exported on request."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command

from labelapp.labelling import assignments
from labelapp.models import Assignment, Comment, Member, Ranking, User
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.projects.everything import NAME, paths_to


def exported(*arguments: str) -> dict[str, list[dict[str, Any]]]:
    out = io.StringIO()
    call_command("export_member", *arguments, stdout=out)
    found: dict[str, list[dict[str, Any]]] = json.loads(out.getvalue())
    return found


def test_the_export_has_every_row_that_refers_to_the_person(zebulon: User) -> None:
    data = exported(NAME)
    # What comes of a run belongs to its project, not to whoever started the run.
    ways = {
        model: over
        for model, all_ways in paths_to(User).items()
        if (over := {way for way in all_ways if not way.startswith("run__")})
    }
    assert {"Ranking", "Comment", "Assignment", "Rating", "LogEntry"} <= {
        model.__name__ for model in ways
    }
    for model, over in ways.items():
        found = set()
        for way in over:
            rows = model._default_manager.filter(**{way: zebulon})
            assert rows.exists(), (model, way)
            found |= set(rows.values_list("pk", flat=True))
        given = {row["id"] for row in data[model._meta.label_lower]}
        assert given == found, model


def test_the_export_says_what_a_person_entered_and_how_they_signed_in(zebulon: User) -> None:
    data = exported(NAME)
    (account,) = data["labelapp.user"]
    assert (account["email"], account["last_name"]) == (f"{NAME}@example.org", f"Mc{NAME}")
    assert {row["project__slug"] for row in data["labelapp.member"]} == {"kitchen", "attic"}
    texts = json.dumps(data)
    for text in (f"thinks {NAME}", f"a draft of {NAME}", f"{NAME} cannot read", f"says {NAME}"):
        assert text in texts
    assert len(data["sessions"]) == 1
    assert [row["count"] for row in data["sign-in failures"]] == [1]
    assert len(data["admin log about the person"]) == 6


def test_the_export_holds_nothing_of_others_and_no_secret(
    zebulon: User, labeller: Member, add_prompt: AddPrompt
) -> None:
    Comment.objects.create(prompt=add_prompt("Theirs?"), member=labeller, text="Not theirs.")
    text = json.dumps(exported(NAME))
    assert "Not theirs." not in text
    assert "labeller" not in {row["name"] for row in exported(NAME)["labelapp.member"]}
    zebulon.refresh_from_db()
    assert zebulon.password not in text
    assert Session.objects.get().session_key not in text


def test_a_person_downloads_their_own_data_and_learns_no_source_from_it(
    labeller: Member, add_prompt: AddPrompt
) -> None:
    """Nor do they learn which of their tasks are quality controls."""
    prompt = add_prompt()
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    Assignment.objects.filter(pk=assignment.pk).update(gold=True, slot=None)
    client = sign_in(labeller)
    assert 'href="/account/data/"' in client.get("/account/").content.decode()
    response = client.get("/account/data/")
    assert "attachment" in response["Content-Disposition"]
    assert "podium-labeller.json" in response["Content-Disposition"]
    assert "no-store" in response["Cache-Control"]
    content = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    (task,) = json.loads(content)["labelapp.assignment"]
    assert task["prompt__content_hash"] == prompt.content_hash
    assert "model-" not in content
    keys = {key for rows in json.loads(content).values() for row in rows for key in row}
    hidden = {"gold", "is_gold", "repeat", "origin", "slot", "surplus", "order", "taken_back"}
    assert not keys & (hidden | {"response_id", "password"})


def test_the_command_writes_a_file_that_only_its_owner_reads(zebulon: User, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    call_command("export_member", NAME, "--output", str(path), stdout=io.StringIO())
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["labelapp.user"][0]["username"] == NAME
    with pytest.raises(CommandError, match="File exists"):
        call_command("export_member", NAME, "--output", str(path))
    with pytest.raises(CommandError, match="there is no account 'nobody'"):
        call_command("export_member", "nobody")


def test_a_name_of_an_import_is_exported_as_well(
    ann: Member, add_prompt: AddPrompt, labeller: Member
) -> None:
    for member in (ann, labeller):
        Ranking.objects.create(prompt=add_prompt(member.name), member=member, responses_hash="1")
    data = exported("ann", "--project", "kitchen")
    assert [row["member__name"] for row in data["labelapp.ranking"]] == ["ann"]
    assert "labelapp.user" not in data
    with pytest.raises(CommandError, match="no labeller 'labeller' without an account"):
        exported("labeller", "--project", "kitchen")
