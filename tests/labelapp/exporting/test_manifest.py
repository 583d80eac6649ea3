"""Projects created from the manifest of another one, with their people."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labelapp.exporting.manifest import make_project, read_manifest
from labelapp.importing.importer import import_lines
from labelapp.models import (
    ALTOGETHER,
    Exclusion,
    Member,
    Project,
    Ranking,
)
from labelapp.people.exclusions import end, exclude
from tests.conftest import AddPrompt, AddRanking
from training.formats.ranking_file import open_ranking_file


def test_a_project_is_made_by_the_manifest_of_another(
    project: Project, reviewer: Member, export: Any, tmp_path: Path
) -> None:
    Project.objects.update(
        ties_allowed=False, rating_scale=7, flags=["Wrong"], gold_share=5, repeat_share=3,
        repeat_after_days=2, rankings_per_prompt=3, lease_minutes=9, responses_per_ranking=6,
    )  # fmt: skip
    export("--all-versions")
    path = str(tmp_path / "out.jsonl.manifest.json")
    call_command("create_project", "copy", "--from-manifest", path, "--name", "Copy")
    copy, first = Project.objects.get(slug="copy"), Project.objects.get(slug="kitchen")
    ours = {"id", "slug", "name"}
    fields = [field.name for field in Project._meta.concrete_fields if field.name not in ours]
    assert [getattr(copy, name) for name in fields] == [getattr(first, name) for name in fields]
    assert copy.name == "Copy"
    member = copy.members.get()
    assert (member.name, member.role, member.user) == ("reviewer", "reviewer", None)


def test_who_is_left_out_comes_back_with_the_archive(
    project: Project, manager: Member, labeller: Member, ann: Member, add_prompt: AddPrompt,
    add_ranking: AddRanking, export: Any, tmp_path: Path,
) -> None:  # fmt: skip
    by = manager.user
    assert by is not None
    prompt = add_prompt(wanted=3)
    for member in (labeller, ann):
        add_ranking(prompt, member, (1, 2, 3, 4))
    since = datetime(2026, 5, 1, tzinfo=UTC)
    exclude(member=ann, by=by, reason="by chance", since=since)
    end(member=ann, by=by)
    exclude(member=ann, by=by, reason="worse than chance")
    exclude(member=labeller, by=by, reason="since May", since=since)
    export("--all-versions", "--include-left-out")
    manifest = read_manifest(str(tmp_path / "out.jsonl.manifest.json"))
    copy = make_project(manifest, slug="copy")
    with open_ranking_file(str(tmp_path / "out.jsonl")) as file:
        import_lines(copy, file, report=lambda bad: pytest.fail(str(bad)))
    columns = ("member__name", "since", "reason", "created_at", "ended_at")
    held_in = [
        list(Exclusion.objects.filter(member__project=one).order_by("pk").values_list(*columns))
        for one in (project, copy)
    ]
    assert held_in[0] == held_in[1]
    assert len(held_in[0]) == 3
    assert copy.members.get(name="ann").excluded_from == ALTOGETHER
    assert copy.members.get(name="labeller").excluded_from == since
    rankings = Ranking.objects.filter(prompt__project=copy)
    assert rankings.count() == 2
    assert not rankings.counting().exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not a manifest: it is not JSON in UTF-8"),
        ("[]", "is not the manifest of an export: it has no project"),
        ('{"project": {"name": "x", "flags": "y"}}', "has flags that are not a list of texts"),
        ('{"project": {"name": "x", "rating_scale": 9}}', "less than or equal to 7"),
        ('{"project": {"name": "x"}, "members": [{}]}', "has a member without a name"),
        (
            '{"project": {"name": "x"}, "members": [{"name": "a", "role": "boss"}]}',
            "has a role that is none of labeller, reviewer, manager",
        ),
        ('{"project": {"name": "x\\u0000"}}', "has a NUL character in the name"),
    ],
)
def test_a_manifest_that_makes_no_project_is_refused_in_one_line(
    db: None, tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(CommandError) as error:
        call_command("create_project", "copy", "--from-manifest", str(path))
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert not Project.objects.exists()
