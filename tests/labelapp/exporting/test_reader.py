"""Exported lines lose nothing, and give the same project when they are imported."""

import gzip
import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelapp.exporting import reader
from labelapp.exporting.writer import export_lines
from labelapp.models import (
    Assignment,
    Member,
    Placement,
    Project,
    Prompt,
    Rating,
    Response,
    hash_text,
)
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.exporting.exported import (
    CONVERSATION,
    NOON,
    THREE,
    conversation,
    lines,
    name_responses,
    rank,
)
from training.rankings import prompt_hash


def test_a_line_says_all_that_is_known_of_a_ranking_made_here(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any
) -> None:
    prompt = add_prompt(responses=THREE, external_id="p1")
    a, b, c = name_responses(prompt, "a", "b", "c")
    ranking = add_ranking(
        prompt, ann, [2, 1, 2], seconds=12.5, note="Hm.", all_bad=True, created_at=NOON
    )
    Rating.objects.create(ranking=ranking, response=b, score=7, flags=["Hallucination"])
    Rating.objects.create(ranking=ranking, response=a, score=None, flags=["Short"])
    Assignment.objects.create(
        prompt=prompt, member=ann, order=[c.pk, a.pk, b.pk], expires_at=NOON, submitted_at=NOON
    )
    assert lines(export()) == [
        {
            "id": "p1",
            "prompt": "Why is the sky blue?",
            "responses": [
                {"id": "a", "text": "Scattering.", "source": "model-0"},
                {"id": "b", "text": "Paint.", "source": "model-1"},
                {"id": "c", "text": "The sea.", "source": "model-2"},
            ],
            "ranking": [["b"], ["a", "c"]],
            "labeller": "ann",
            "version": 1,
            "current": True,
            "origin": "here",
            "surplus": False,
            "created_at": "2026-03-01T12:00:00.000000Z",
            "all_bad": True,
            "seconds": 12.5,
            "shown": ["c", "a", "b"],
            "note": "Hm.",
            "ratings": {
                "a": {"score": None, "flags": ["Short"]},
                "b": {"score": 7, "flags": ["Hallucination"]},
            },
        }
    ]


def test_what_is_not_known_of_a_ranking_is_not_said(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any
) -> None:
    prompt = add_prompt(responses=THREE)
    Assignment.objects.create(
        prompt=prompt,
        member=ann,
        order=[r.pk for r in prompt.responses.all()],
        expires_at=NOON,
    )
    add_ranking(prompt, ann, [1, 2, 3], origin="imported")
    (line,) = lines(export())
    assert not {"id", "seconds", "shown", "note", "ratings"} & line.keys()


def test_a_prompt_without_a_ranking_is_a_line_without_one(
    add_prompt: AddPrompt, export: Any
) -> None:
    add_prompt()
    (line,) = lines(export())
    assert line.keys() == {"prompt", "responses"}
    assert len(line["responses"]) == 4


def test_responses_that_nobody_ranked_have_a_line_of_their_own(
    add_prompt: AddPrompt, ann: Member, project: Project, export: Any
) -> None:
    prompt = add_prompt(responses=[f"text {i}" for i in range(6)])
    rank(prompt, ann, list(prompt.responses.order_by("pk"))[:4], [1, 2, 3, 4])
    everything, ranking = lines(export())
    assert "ranking" not in everything
    assert len(everything["responses"]) == 6
    assert len(ranking["responses"]) == 4


def test_a_conversation_stays_messages(project: Project, export: Any) -> None:
    conversation(project, CONVERSATION, "a", "b", "c", "d")
    conversation(project, [{"role": "system", "content": "Go on."}], "a", "b", "c", "d")
    first, second = lines(export())
    assert first["prompt"] == CONVERSATION
    assert second["prompt"] == [{"role": "system", "content": "Go on."}]


def test_current_rankings_are_exported_and_with_all_versions_the_earlier_ones(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any
) -> None:
    prompt = add_prompt(responses=THREE)
    add_ranking(prompt, ann, [1, 2, 3], is_current=False)
    add_ranking(prompt, ann, [3, 2, 1], version=2)
    assert [line["version"] for line in lines(export())] == [2]
    _, *every = lines(export("--all-versions", "--force"))
    assert [(line["version"], line["current"]) for line in every] == [(1, False), (2, True)]
    assert every[0]["ranking"] == every[1]["ranking"][::-1]


def test_lines_come_by_prompt_then_name_whatever_came_first(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, bob: Member, export: Any
) -> None:
    first, second = add_prompt("First?", THREE), add_prompt("Second?", THREE)
    for prompt, member in ((second, bob), (first, bob), (second, ann), (first, ann)):
        add_ranking(prompt, member, [1, 2, 3])
    found = [(line["prompt"], line["labeller"]) for line in lines(export())]
    assert found == list(itertools.product(["First?", "Second?"], ["ann", "bob"]))


def test_a_response_keeps_its_id_unless_another_has_the_same(
    add_prompt: AddPrompt, export: Any
) -> None:
    prompt = add_prompt()
    name_responses(prompt, "z", "same", "same", "")
    (line,) = lines(export())
    ids = {response["text"]: response["id"] for response in line["responses"]}
    assert ids["Scattering."] == "z"
    for text in ("Paint.", "The sea.", "Nobody knows."):
        assert ids[text] == hash_text(text)[:12]


def test_an_id_made_from_a_text_is_never_that_of_another_response(
    add_prompt: AddPrompt, export: Any
) -> None:
    prompt = add_prompt()
    name_responses(prompt, hash_text("Paint.")[:12], "", "b", "c")
    (line,) = lines(export())
    assert len({response["id"] for response in line["responses"]}) == 4


def test_the_same_rankings_give_the_same_bytes(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any, tmp_path: Path
) -> None:
    add_ranking(add_prompt(), ann, [1, 1, 2, 3])
    for name in ("1.jsonl.gz", "2.jsonl.gz"):
        call_command("export_rankings", "kitchen", str(tmp_path / name), stdout=io.StringIO())
    assert (tmp_path / "1.jsonl.gz").read_bytes() == (tmp_path / "2.jsonl.gz").read_bytes()
    assert gzip.decompress((tmp_path / "1.jsonl.gz").read_bytes()).decode() == export()


# There and back


def kept(text: str) -> bytes:
    """Return the keys of an export that the import keeps."""
    keys = ("prompt", "responses", "ranking", "labeller", "id")
    return b"".join(
        json.dumps({key: line[key] for key in keys if key in line}).encode() + b"\n"
        for line in lines(text)
    )


# Surrogates are no text, and PostgreSQL holds no NUL: the import refuses both.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
words = texts.filter(lambda text: text.strip())
ids = st.sampled_from(["", "a", "b", "c", "1", hash_text("x")[:12]]) | texts
numbers = itertools.count()


@st.composite
def messages(draw: st.DrawFn) -> list[dict[str, str]]:
    roles = st.sampled_from(["user", "assistant", "system"])
    turns = [{"role": draw(roles), "content": draw(words)} for _ in range(draw(st.integers(0, 2)))]
    return [*turns, {"role": draw(roles), "content": draw(words)}]


@st.composite
def rankings(draw: st.DrawFn, responses: int) -> tuple[list[int], list[int]]:
    """Places of some responses, and their ranks: no rank is skipped."""
    places = draw(
        st.lists(st.integers(0, responses - 1), min_size=2, max_size=min(responses, 9), unique=True)
    )
    drawn = [draw(st.integers(1, 4)) for _ in places]
    dense = {rank: place for place, rank in enumerate(sorted(set(drawn)), start=1)}
    return places, [dense[rank] for rank in drawn]


@st.composite
def prompts(draw: st.DrawFn) -> dict[str, Any]:
    said = draw(st.lists(words | st.just("x"), min_size=2, max_size=11, unique=True))
    # A prompt with fewer than four is there only because somebody ranked them elsewhere.
    few = list(range(len(said))) if len(said) < 4 else []
    return {
        "messages": draw(messages()),
        "id": draw(st.none() | words),
        "responses": [(text, draw(ids), draw(texts)) for text in said],
        "rankings": [(0, (few, [1] * len(few)))] * bool(few)
        + draw(st.lists(st.tuples(st.sampled_from([0, 1, 2]), rankings(len(said))), max_size=4)),
    }


def build(names: list[str], given_prompts: list[dict[str, Any]]) -> Project:
    project = Project.objects.create(name="From", slug=f"from-{next(numbers)}")
    members = [Member.objects.create(project=project, name=name) for name in names]
    for said in given_prompts:
        prompt = Prompt.objects.create(
            project=project,
            messages=said["messages"],
            content_hash=prompt_hash(said["messages"]),
            external_id=said["id"],
        )
        made = [
            Response.objects.create(
                prompt=prompt,
                text=text,
                external_id=id_,
                source=source,
                content_hash=hash_text(text),
            )
            for text, id_, source in said["responses"]
        ]
        seen = set()
        for member, (places, ranks) in said["rankings"]:
            if (member, frozenset(places)) not in seen:
                rank(prompt, members[member], [made[place] for place in places], ranks)
            seen.add((member, frozenset(places)))
    return project


def held(project: Project) -> list[tuple[Any, ...]]:
    """Return the contents of a project, without primary keys."""
    responses = Response.objects.filter(prompt__project=project)
    placements = Placement.objects.filter(ranking__prompt__project=project)
    of_prompt = ("prompt__content_hash", "prompt__external_id", "text", "source")
    of_ranking = ("ranking__prompt__content_hash", "ranking__member__name", "response__text")
    return sorted(responses.values_list(*of_prompt), key=str) + sorted(
        placements.values_list(*of_ranking, "ranking__responses_hash", "rank"), key=str
    )


@pytest.mark.django_db
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    names=st.lists(words, min_size=3, max_size=3, unique=True),
    given_prompts=st.lists(
        prompts(),
        max_size=4,
        unique_by=(lambda said: prompt_hash(said["messages"]), lambda said: said["id"] or object()),
    ),
)
def test_what_is_exported_comes_back_the_same_from_an_empty_project(
    tmp_path: Path, names: list[str], given_prompts: list[dict[str, Any]]
) -> None:
    project = build(names, given_prompts)
    other = Project.objects.create(name="To", slug=f"to-{next(numbers)}")
    path = tmp_path / "there.jsonl"
    first = "".join(export_lines(project, "jsonl"))
    path.write_bytes(first.encode())
    call_command("import_rankings", str(path), "--project", other.slug, stdout=io.StringIO())
    assert kept("".join(export_lines(other, "jsonl"))) == kept(first)
    assert held(other) == held(project)


# The stream


@pytest.mark.parametrize("format_", ["jsonl", "trl", "nemo", "csv"])
def test_the_number_of_queries_does_not_grow_with_the_prompts(
    project: Project, add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, format_: Any
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            assert list(export_lines(project, format_))
        return len(made)

    add_ranking(add_prompt("First?", THREE), ann, [1, 2, 3])
    before = queries()
    for number in range(20):
        add_ranking(add_prompt(f"Number {number}?", THREE), ann, [1, 2, 3])
    assert queries() == before


def test_lines_come_while_later_prompts_are_not_read_yet(
    project: Project, add_prompt: AddPrompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BATCH", 2)
    for number in range(7):
        add_prompt(f"Number {number}?")
    stream = export_lines(project, "jsonl")
    with CaptureQueriesContext(connection) as first:
        lines_read = [next(stream)]
    with CaptureQueriesContext(connection) as others:
        lines_read += stream
    assert [line["prompt"] for line in lines("".join(lines_read))] == [
        f"Number {number}?" for number in range(7)
    ]
    assert len(others) > 3 * len(first) - 3
