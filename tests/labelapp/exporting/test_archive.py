"""An archive imported into an empty project gives the same archive again."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings

from labelapp.exporting.manifest import make_project, read_manifest
from labelapp.exporting.writer import export_file, export_lines
from labelapp.importing.importer import import_lines
from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    ALTOGETHER,
    Assignment,
    Comment,
    Exclusion,
    Member,
    Origin,
    Project,
    Prompt,
    Ranking,
    SkipReason,
)
from labelapp.people.exclusions import end, exclude
from labelapp.projects import prompts
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.exporting.archived import Asked, build, held, numbers, projects
from tests.labelapp.exporting.exported import NOON, lines, name_responses
from tests.labelapp.labelling.acting import claim, reopen, skip, submit
from training.formats.archive_keys import (
    CONTROLS,
    ORIGINS,
    SKIP_REASONS,
)
from training.formats.ranking_file import BadLine, open_ranking_file


def archive(project: Project) -> str:
    return "".join(export_lines(project, "jsonl", all_versions=True))


def import_text(project: Project, text: str, path: Path) -> list[str]:
    """Import lines, and return the reasons of the bad ones."""
    path.write_bytes(text.encode())
    bad: list[BadLine] = []
    with open_ranking_file(str(path)) as file:
        import_lines(project, file, report=bad.append, skip_bad_lines=True)
    return [line.reason for line in bad]


def empty() -> Project:
    return Project.objects.create(name="To", slug=f"to-{next(numbers)}")


def needed(project: Project) -> list[tuple[int, int]]:
    queue = project.prompts.order_by("pk")
    return list(queue.values_list("rankings_wanted", "rankings_needed"))


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


def verdict(assignment: Assignment, *ranks: int, note: str = "") -> RankingInput:
    letters = submissions.letters(assignment)
    return RankingInput(dict(zip(letters, ranks, strict=True)), note=note)


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
    prompts.remove_from_queue(prompts=Prompt.objects.filter(pk=held.prompt_id))
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


# Into a project that has data


def state_line(**keys: Any) -> dict[str, Any]:
    responses = [{"id": id_, "text": f"text {id_}"} for id_ in "abcd"]
    return {"prompt": "Why?", "responses": responses, "wanted": 1} | keys


def ranking_line(*ids: str, **keys: Any) -> dict[str, Any]:
    """Return the line of a current ranking by ann."""
    said = {"labeller": "ann", "version": 1, "current": True, "origin": "here"}
    ranking = [[id_] for id_ in ids or "abcd"]
    responses = state_line()["responses"]
    return {"prompt": "Why?", "responses": responses, "ranking": ranking} | said | keys


def task(**keys: Any) -> dict[str, Any]:
    made = {"created_at": "2026-03-01T11:00Z", "submitted_at": "2026-03-01T12:00Z"}
    return {"labeller": "ann", "shown": list("dcba")} | made | keys


Bring = Callable[..., list[str]]


@pytest.fixture
def bring(project: Project, tmp_path: Path) -> Bring:
    """Return a function that imports lines and returns the reasons of the bad ones."""

    def bring(*given: dict[str, Any]) -> list[str]:
        text = "".join(json.dumps(line) + "\n" for line in given)
        return import_text(project, text, tmp_path / "lines.jsonl")

    return bring


ANOTHER_VERSION = "differs from the stored version 1 of the ranking of these responses by 'ann'"
CONTRADICTIONS = {
    "the same version says something else": (
        [ranking_line(*"dcba")],
        ANOTHER_VERSION,
    ),
    "its note is another": (
        [ranking_line(note="Hm.")],
        ANOTHER_VERSION,
    ),
    "it was made at another time": (
        [ranking_line(created_at="2026-03-01T12:00Z")],
        ANOTHER_VERSION,
    ),
    "a second one stands": (
        [ranking_line(*"dcba", version=2)],
        "is a second current ranking of these responses, by 'ann'",
    ),
    "a second one is adjudicated": (
        [
            ranking_line(labeller="rita", origin="adjudicated"),
            ranking_line(labeller="rob", origin="adjudicated"),
        ],
        "is a second adjudicated ranking of these responses, by 'rob'",
    ),
}


def test_of_two_gold_rankings_of_a_prompt_the_one_that_is_there_stays_gold(
    project: Project, bring: Bring
) -> None:
    assert bring(ranking_line(gold=True, labeller="bob")) == []
    assert bring(ranking_line(gold=True, labeller="cem")) == []
    rankings = Ranking.objects.values_list("member__name", "is_gold")
    assert sorted(rankings) == [("bob", True), ("cem", False)]


@pytest.mark.parametrize(
    ("given", "reason"), CONTRADICTIONS.values(), ids=list(CONTRADICTIONS.keys())
)
def test_what_contradicts_the_project_is_a_bad_line_and_what_is_there_stays(
    project: Project, bring: Bring, given: list[dict[str, Any]], reason: str
) -> None:
    assert bring(ranking_line(created_at="2026-03-01T13:00Z")) == []
    assert bring(*given) == [reason]
    ranking = Ranking.objects.get(member__name="ann")
    assert (ranking.version, ranking.note, ranking.is_current) == (1, "", True)
    assert bring(ranking_line(created_at="2026-03-01T13:00Z")) == []


def test_an_adjudicated_ranking_stands_beside_the_labellers_own(
    project: Project, bring: Bring
) -> None:
    assert bring(ranking_line(), ranking_line(*"dcba", version=2, origin="adjudicated")) == []
    assert Ranking.objects.filter(is_current=True).count() == 2


def test_a_ranking_that_was_changed_here_since_is_left_as_it_is(
    project: Project, bring: Bring
) -> None:
    bring(ranking_line())
    Ranking.objects.update(is_current=False)
    bring(ranking_line(*"dcba", version=2))
    assert bring(ranking_line()) == []
    assert [r.is_current for r in Ranking.objects.order_by("version")] == [False, True]


def test_a_verdict_that_was_taken_back_does_not_stand_in_the_way_of_a_plain_line(
    project: Project, bring: Bring
) -> None:
    bring(ranking_line(current=False))
    plain = {k: ranking_line(*"dcba")[k] for k in ("prompt", "responses", "ranking", "labeller")}
    assert bring(plain) == []
    ranking = Ranking.objects.get(version=2)
    assert (ranking.is_current, ranking.origin) == (True, Origin.IMPORTED)


def test_a_ranking_that_fills_a_slot_is_one_less_that_is_needed(
    project: Project, bring: Bring
) -> None:
    bring(state_line(wanted=2))
    assert needed(project) == [(2, 2)]
    bring(state_line(wanted=2, tasks=[task()]), ranking_line())
    assert needed(project) == [(2, 1)]
    two_more = [task(labeller="bob"), task(labeller="cem")]
    bring(state_line(wanted=2, tasks=two_more))
    assert needed(project) == [(3, 0)]
    assert sorted(Assignment.objects.values_list("slot", flat=True)) == [1, 2, 3]


def test_a_prompt_that_is_there_keeps_its_place_in_the_queue(
    project: Project, bring: Bring, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt("Why?", [f"text {id_}" for id_ in "abcd"], wanted=3, priority=7)
    bring(state_line(wanted=1, priority=-1, taken_out=True))
    prompt.refresh_from_db()
    assert (prompt.rankings_wanted, prompt.priority, prompt.taken_out) == (3, 7, False)


def test_a_prompt_that_wants_nobody_may_have_few_responses(project: Project, bring: Bring) -> None:
    few = state_line()["responses"][:2]
    assert bring(state_line(responses=few, wanted=0)) == []
    assert bring(state_line(prompt="Who?", responses=few)) == [
        "has 2 responses, and a prompt to be labelled needs at least 4"
    ]
    assert needed(project) == [(0, 0)]


def test_a_plain_export_brings_the_order_that_was_shown_and_nothing_of_the_queue(
    project: Project, add_prompt: AddPrompt, bring: Bring, ann: Member, tmp_path: Path
) -> None:
    add_prompt()
    mine = claim(ann)
    assert mine is not None
    submit(assignment=mine, entered=verdict(mine, 2, 1, 3, 3))
    text, other = "".join(export_lines(project, "jsonl")), empty()
    assert import_text(other, text, tmp_path / "plain.jsonl") == []
    assert "".join(export_lines(other, "jsonl")) == text
    assert needed(other) == [(0, 0)]
    shown = Assignment.objects.get(prompt__project=other).shown
    assert [r.text for r in shown] == [r.text for r in mine.shown]


def test_import_prompts_reads_an_archive_as_prompts(
    project: Project, bring: Bring, tmp_path: Path
) -> None:
    bring(state_line(wanted=0, comments=[{"by": "rita", "at": "2026-03-01T12:00Z", "text": "Hm."}]))
    bring(ranking_line())
    path, other = tmp_path / "a.jsonl", empty()
    path.write_text(archive(project))
    call_command("import_prompts", path, "--project", other.slug, stdout=io.StringIO())
    assert needed(other) == [(1, 1)]
    assert not Comment.objects.filter(prompt__project=other).exists()
    assert not Ranking.objects.filter(prompt__project=other).exists()


def test_a_labeller_past_the_urgency_of_what_came_looks_from_the_top(
    project: Project, bring: Bring, ann: Member
) -> None:
    Member.objects.update(queue_priority=3, queue_prompt=1)
    bring(state_line(priority=2))
    ann.refresh_from_db()
    assert ann.queue_priority == 3
    bring(state_line(prompt="Who?", priority=4))
    ann.refresh_from_db()
    assert ann.queue_priority is None


def test_what_members_with_a_login_ranked_is_counted(
    project: Project, bring: Bring, labeller: Member
) -> None:
    Member.objects.update(ranked=2)
    name = labeller.name
    bring(state_line(tasks=[task(labeller=name)]), ranking_line(labeller=name))
    labeller.refresh_from_db()
    assert labeller.ranked == 3


# The export


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


# A project made by a manifest


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


def test_tags_and_metadata_are_imported_from_files(project: Project, tmp_path: Path) -> None:
    responses = [{"id": name, "text": name} for name in "abcd"]
    lines: list[dict[str, Any]] = [
        {"prompt": "1?", "responses": responses, "tags": ["x", "y "], "metadata": {"n": 1}},
        {"prompt": "2?", "responses": list("abcd"), "tags": "x, z", "metadata": "none"},
        {"prompt": "3?", "responses": responses, "ranking": [["a"], ["b", "c", "d"]],
         "labeller": "ann", "tags": ["x", 7, "t" * 101], "metadata": {"zero": "\0"}},
        {"prompt": "4?", "responses": responses, "tags": {"a": 1}, "metadata": []},
    ]  # fmt: skip
    path = tmp_path / "in.jsonl"
    for _ in range(2):  # a second time it adds nothing
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        with open_ranking_file(str(path)) as file:
            import_lines(project, file, report=lambda bad: pytest.fail(str(bad)))
        rows = project.prompts.order_by("pk")
        found = [sorted(prompt.prompt_tags.values_list("tag__name", flat=True)) for prompt in rows]
        assert found == [["x", "y"], ["x", "z"], ["x"], []]
        assert [prompt.metadata for prompt in rows] == [{"n": 1}, None, None, None]
        assert project.tags.count() == 3
    lines[3]["tags"] = ["y", "new"]  # a prompt that is there gets tags as well
    path.write_text(json.dumps(lines[3]))
    with open_ranking_file(str(path)) as file:
        import_lines(project, file, report=lambda bad: pytest.fail(str(bad)))
    last = project.prompts.latest("pk")
    assert sorted(last.prompt_tags.values_list("tag__name", flat=True)) == ["new", "y"]


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
