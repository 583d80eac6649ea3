"""The commands that create projects and add members."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from labelapp.models import Member, Project, User
from labelapp.projects import members
from tests.conftest import sign_in


def test_create_project_makes_one_once(db: None, capsys: Any, tmp_path: Any) -> None:
    guidelines = tmp_path / "guidelines.md"
    guidelines.write_text("Be *kind*.")
    options = ["--name", "Attic", "--guidelines-file", str(guidelines), "--no-ties"]
    call_command("create_project", "attic", *options)
    project = Project.objects.get()
    assert (project.name, project.guidelines, project.ties_allowed) == (
        "Attic",
        "Be *kind*.",
        False,
    )
    call_command("create_project", "attic")
    assert "already exists" in capsys.readouterr().out
    with pytest.raises(CommandError, match="valid “slug”"):
        call_command("create_project", "two words")
    with pytest.raises(CommandError, match="is taken"):
        call_command("create_project", "new")


def test_add_member_prints_a_password_once(project: Project, manager: Member, capsys: Any) -> None:
    call_command("add_member", "zoe", "--project", "kitchen", "--role", "manager")
    password = capsys.readouterr().out.split()[-1]
    assert Client().login(username="zoe", password=password)
    assert project.members.get(name="zoe").manages
    call_command("add_member", "zoe", "--project", "kitchen")
    assert "zoe is already a manager of kitchen." in capsys.readouterr().out
    call_command("add_member", "zoe", "--project", "kitchen", "--role", "reviewer")
    assert "zoe was a manager of kitchen and is now a reviewer." in capsys.readouterr().out
    assert project.members.get(name="zoe").role == "reviewer"
    assert Client().login(username="zoe", password=password)


def test_add_member_brings_back_who_was_removed(
    project: Project, labeller: Member, capsys: Any
) -> None:
    members.remove(member=labeller)
    call_command("add_member", "labeller", "--project", "kitchen")
    assert "labeller is back in kitchen as a labeller." in capsys.readouterr().out
    assert sign_in(labeller).get("/projects/kitchen/").status_code == 200


def test_add_member_leaves_a_project_its_last_manager(project: Project, manager: Member) -> None:
    with pytest.raises(CommandError, match="only manager"):
        call_command("add_member", "manager", "--project", "kitchen", "--role", "labeller")
    assert project.members.get().manages


@pytest.mark.parametrize("name", ["", "two words", "x" * 151])
def test_add_member_refuses_a_name_that_cannot_be(project: Project, name: str) -> None:
    with pytest.raises(CommandError):
        call_command("add_member", name, "--project", "kitchen")
    assert not User.objects.exists()


def test_add_member_refuses_a_name_that_imported_rankings_have(project: Project) -> None:
    Member.objects.create(project=project, name="ann")
    with pytest.raises(CommandError, match="the name 'ann' belongs to rankings"):
        call_command("add_member", "ann", "--project", "kitchen")
    assert not User.objects.exists()
