"""An archive imported into an empty project gives the same archive again."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings

from labelapp.exporting.manifest import make_project, read_manifest
from labelapp.exporting.writer import export_file, export_lines
from labelapp.importing.importer import import_lines
from labelapp.labelling import assignments
from labelapp.models import (
    Assignment,
    Comment,
    Member,
    Origin,
    Project,
    Prompt,
    Ranking,
    SkipReason,
)
from labelapp.projects import prompt_queue
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.exporting.archived import Asked, build, numbers, projects
from tests.labelapp.exporting.exported import (
    NOON,
    archive,
    empty,
    import_text,
    lines,
    name_responses,
    needed,
    verdict,
)
from tests.labelapp.exporting.lasting import held
from tests.labelapp.labelling.acting import claim, reopen, skip, submit
from training.formats.archive_keys import CONTROLS, ORIGINS, SKIP_REASONS
from training.formats.ranking_file import open_ranking_file


@pytest.mark.django_db
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given_prompts=projects)
def test_a_project_comes_back_from_its_archive_to_the_byte_and_to_the_row(
    tmp_path: Path, given_prompts: list[Asked]
) -> None:
    project = build(given_prompts)
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    export_file(project, before, "jsonl", all_versions=True, force=True)
    manifest = read_manifest(f"{before}.manifest.json")
    other = make_project(manifest, slug=f"to-{next(numbers)}")
    with open_ranking_file(str(before)) as file:
        import_lines(other, file, report=lambda bad: pytest.fail(str(bad)))
    export_file(other, after, "jsonl", all_versions=True, force=True)
    assert after.read_bytes() == before.read_bytes()
    again = read_manifest(f"{after}.manifest.json")
    assert again["members"] == manifest["members"]
    assert again["counts"] == manifest["counts"]
    assert again["project"] | {"slug": ""} == manifest["project"] | {"slug": ""}
    assert held(other) == held(project)
    # What is needed is what no ranking fills a slot of.
    assert needed(other) == [(row["wanted"], row["needed"]) for row in held(project)["prompts"]]
    # A second time it adds nothing.
    with open_ranking_file(str(before)) as file:
        summary = import_lines(other, file, report=lambda bad: pytest.fail(str(bad)))
    assert summary.already_there == summary.lines
    assert held(other) == held(project)


def test_what_people_did_in_the_pages_comes_back_as_they_left_it(
    project: Project, add_prompt: AddPrompt, tmp_path: Path
) -> None:
    ann, bob, cem = (
        Member.objects.create(project=project, name=name) for name in ("ann", "bob", "cem")
    )
    for number in range(6):
        add_prompt(f"Number {number}?", wanted=2)
    for member in (ann, bob):
        task = claim(member)
        assert task is not None
        submit(assignment=task, entered=verdict(task, 1, 1, 2, 3), seconds=0)
        submit(assignment=task, entered=verdict(task, 4, 3, 2, 1, note="No."))
    undone, skipped, held = claim(ann), claim(bob), claim(cem)
    assert undone is not None
    assert skipped is not None
    assert held is not None
    submit(assignment=undone, entered=verdict(undone, 1, 2, 3, 4))
    reopen(undone)
    skip(assignment=skipped, reason=SkipReason.BROKEN, note="Empty.")
    Prompt.objects.filter(pk=held.prompt_id).update(priority=3)
    prompt_queue.remove_from_queue(prompts=Prompt.objects.filter(pk=held.prompt_id))
    last = Prompt.objects.latest("pk")
    Comment.objects.create(prompt=last, member=cem, text="Why?", created_at=NOON)
    text, other = archive(project), empty()
    assert import_text(other, text, tmp_path / "a.jsonl") == []
    assert archive(other) == text
    assert held_but_roles(other) == held_but_roles(project)
    back = other.members.get(name="ann")
    tasks = back.assignments
    assert (back.ranked, tasks.ranked().count(), tasks.open().count()) == (1, 1, 1)
    # The undone one waits for its labeller, and is nobody's meanwhile.
    waiting = tasks.open().get()
    assert waiting.slot is None
    back.is_active = True
    assert assignments.current_assignment(back) == waiting


def held_but_roles(project: Project) -> dict[str, list[Any]]:
    return {kind: rows for kind, rows in held(project).items() if kind != "people"}


def test_a_gold_ranking_and_a_control_are_marked(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, bob: Member, export: Any
) -> None:
    prompt = add_prompt()
    a, b, c, d = name_responses(prompt, "a", "b", "c", "d")
    add_ranking(prompt, ann, [1, 2, 3, 4], is_gold=True)
    add_ranking(prompt, bob, [1, 2, 3, 4], surplus=True)
    add_ranking(prompt, bob, [4, 3, 2, 1], version=2, is_current=False, origin="repeated")
    for order, control in (([a, b, c, d], "gold"), ([d, c, b, a], "repeat")):
        Assignment.objects.create(
            prompt=prompt, member=bob, order=[r.pk for r in order], expires_at=NOON,
            submitted_at=NOON, **{control: True},
        )  # fmt: skip
    by_ann, by_bob = lines(export())
    assert (by_ann["gold"], by_ann.get("control")) == (True, None)
    assert (by_bob.get("gold"), by_bob["control"]) == (None, "gold")
    again = lines(export("--all-versions", "--force"))[-1]
    assert (again["origin"], again["control"]) == ("repeated", "repeat")
    assert (by_bob["shown"], again["shown"]) == (list("abcd"), list("dcba"))


def test_a_submit_between_two_reads_of_an_export_is_not_in_it_by_half(
    project: Project, add_prompt: AddPrompt, ann: Member, tmp_path: Path
) -> None:
    mine = claim(ann) if add_prompt() else None
    assert mine is not None
    submit(assignment=mine, entered=verdict(mine, 1, 2, 3, 4))
    Ranking.objects.update(is_current=False)  # as if one that stands came after these were read
    line, _ = lines(archive(project))
    assert "submitted_at" not in line["tasks"][0]
    Ranking.objects.all().delete()
    (line,) = lines(archive(project))
    assert "tasks" not in line


def test_the_number_of_statements_of_an_import_does_not_grow_with_an_archive(
    project: Project, ann: Member, add_prompt: AddPrompt, tmp_path: Path
) -> None:
    def statements(more: int) -> int:
        for number in range(more):
            add_prompt(f"Number {more} {number}?")
            mine = claim(ann)
            assert mine is not None
            submit(assignment=mine, entered=verdict(mine, 1, 2, 3, 4))
        text, other = archive(project), empty()
        with CaptureQueriesContext(connection) as made:
            assert import_text(other, text, tmp_path / "a.jsonl") == []
            assert import_text(other, text, tmp_path / "a.jsonl") == []
        return len(made)

    assert statements(2) == statements(20)


def test_tags_and_metadata_are_imported_from_files(project: Project, tmp_path: Path) -> None:
    responses = [{"id": name, "text": name} for name in "abcd"]
    lines: list[dict[str, Any]] = [
        {"prompt": "1?", "responses": responses, "tags": ["x", "y "], "metadata": {"n": 1}},
        {"prompt": "2?", "responses": list("abcd"), "tags": "x, z", "metadata": "none"},
        {"prompt": "3?", "responses": responses, "ranking": [["a"], ["b", "c", "d"]],
         "labeller": "ann", "tags": ["x, w,", 7, "t" * 101], "metadata": {"zero": "\0"}},
        {"prompt": "4?", "responses": responses, "tags": {"a": 1}, "metadata": []},
    ]  # fmt: skip
    path = tmp_path / "in.jsonl"
    for _ in range(2):  # a second time it adds nothing
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        with open_ranking_file(str(path)) as file:
            import_lines(project, file, report=lambda bad: pytest.fail(str(bad)))
        rows = project.prompts.order_by("pk")
        found = [sorted(prompt.prompt_tags.values_list("tag__name", flat=True)) for prompt in rows]
        assert found == [["x", "y"], ["x", "z"], ["w", "x"], []]
        assert [prompt.metadata for prompt in rows] == [{"n": 1}, None, None, None]
        assert project.tags.count() == 4
    lines[3]["tags"] = ["y", "new"]  # a prompt that is there gets tags as well
    path.write_text(json.dumps(lines[3]))
    with open_ranking_file(str(path)) as file:
        import_lines(project, file, report=lambda bad: pytest.fail(str(bad)))
    last = project.prompts.latest("pk")
    assert sorted(last.prompt_tags.values_list("tag__name", flat=True)) == ["new", "y"]


def test_the_words_of_a_file_are_those_of_the_database() -> None:
    assert set(ORIGINS) == set(Origin.values)
    assert set(SKIP_REASONS) == set(SkipReason.values)
    names = {field.name for field in Assignment._meta.get_fields()}
    assert set(CONTROLS) <= names


def test_a_prompt_that_has_no_responses_yet_is_in_the_archive_and_in_no_other_file(
    add_prompt: AddPrompt, project: Project, tmp_path: Path
) -> None:
    add_prompt("Why?", [], wanted=0)
    text, other = archive(project), empty()
    assert import_text(other, text, tmp_path / "archive.jsonl") == []
    assert archive(other) == text
    assert list(export_lines(project, "jsonl")) == []
