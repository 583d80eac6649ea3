"""Archives imported into a project that has data."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from labelapp.exporting.writer import export_lines
from labelapp.models import (
    Assignment,
    Comment,
    Member,
    Origin,
    Project,
    Ranking,
)
from tests.conftest import AddPrompt
from tests.labelapp.exporting.exported import (
    archive,
    empty,
    import_text,
    needed,
    verdict,
)
from tests.labelapp.labelling.acting import claim, submit


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
