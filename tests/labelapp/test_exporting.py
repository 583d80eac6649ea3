"""Exporting: what a project holds as files that others read, and that come back unharmed."""

import csv
import gzip
import hashlib
import io
import itertools
import json
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trl.data_utils import is_conversational

from labelapp import exporting
from labelapp.exportfiles import export_lines
from labelapp.exportformats import COLUMNS, FORMULA
from labelapp.models import (
    Assignment,
    Member,
    Placement,
    Project,
    Prompt,
    Ranking,
    Rating,
    Response,
    User,
    hash_responses,
    hash_text,
)
from tests.conftest import AddPrompt, AddRanking, sign_in
from training.config import TrainConfig
from training.pairs import held_out_hashes, prompt_hash

THREE = ("Scattering.", "Paint.", "The sea.")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONVERSATION = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Why?"},
]


@pytest.fixture
def ann(project: Project) -> Member:
    return Member.objects.create(project=project, name="ann")


@pytest.fixture
def bob(project: Project) -> Member:
    return Member.objects.create(project=project, name="bob")


@pytest.fixture
def export(project: Project, tmp_path: Path) -> Callable[..., str]:
    """The text of an exported file."""

    def export(*options: str, name: str = "out.jsonl", slug: str = "kitchen") -> str:
        path = tmp_path / name
        call_command("export_rankings", slug, str(path), *options, stdout=io.StringIO())
        return path.read_bytes().decode()

    return export


def name_responses(prompt: Prompt, *ids: str) -> list[Response]:
    """Gives a prompt's responses the ids that they would have come with."""
    responses = list(prompt.responses.order_by("pk"))
    for response, id_ in zip(responses, ids, strict=True):
        response.external_id = id_
        response.save()
    return responses


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n") if line]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def conversation(project: Project, messages: list[dict[str, str]], *texts: str) -> Prompt:
    prompt = Prompt.objects.create(
        project=project, messages=messages, content_hash=prompt_hash(messages)
    )
    for text in texts:
        Response.objects.create(prompt=prompt, text=text, content_hash=hash_text(text))
    return prompt


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as error:
        call_command("export_rankings", *arguments, stdout=io.StringIO())
    return str(error.value)


# Ranking JSONL


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


def rank(prompt: Prompt, member: Member, responses: list[Response], ranks: list[int]) -> Ranking:
    """A ranking of some of a prompt's responses."""
    ranking = Ranking.objects.create(
        prompt=prompt,
        member=member,
        responses_hash=hash_responses(r.content_hash for r in responses),
    )
    for response, place in zip(responses, ranks, strict=True):
        Placement.objects.create(ranking=ranking, response=response, rank=place)
    return ranking


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
    every = lines(export("--all-versions", "--force"))
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
    """An export with what our import keeps of it today."""
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
    said = draw(st.lists(words | st.just("x"), min_size=4, max_size=11, unique=True))
    return {
        "messages": draw(messages()),
        "id": draw(st.none() | words),
        "responses": [(text, draw(ids), draw(texts)) for text in said],
        "rankings": draw(
            st.lists(st.tuples(st.sampled_from([0, 1, 2]), rankings(len(said))), max_size=4)
        ),
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


@pytest.mark.django_db
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
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


# TRL pairs


def test_trl_gets_a_line_a_comparison_and_none_of_a_tie(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, bob: Member, export: Any
) -> None:
    prompt = add_prompt(responses=THREE)
    name_responses(prompt, "a", "b", "c")
    add_ranking(prompt, ann, [2, 1, 2])
    add_ranking(prompt, bob, [1, 1, 1])
    add_prompt("Nobody ranked this?")
    assert lines(export("--format", "trl")) == [
        {"prompt": "Why is the sky blue?", "chosen": "Paint.", "rejected": "Scattering."},
        {"prompt": "Why is the sky blue?", "chosen": "Paint.", "rejected": "The sea."},
    ]


def load(path: Path) -> Any:
    return load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(path.parent / "cache")
    )


def test_datasets_loads_texts_as_trl_expects_them(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any, tmp_path: Path
) -> None:
    add_ranking(add_prompt("Wörds\u2028\n“and” 👍?", THREE), ann, [1, 2, 3])
    export("--format", "trl")
    loaded = load(tmp_path / "out.jsonl")
    assert loaded.column_names == ["prompt", "chosen", "rejected"]
    assert len(loaded) == 3
    assert loaded[0]["prompt"] == "Wörds\u2028\n“and” 👍?"
    assert not is_conversational(loaded[0])


def test_with_one_conversation_every_line_of_the_file_is_one(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    project: Project,
    export: Any,
    tmp_path: Path,
) -> None:
    add_ranking(add_prompt(responses=THREE), ann, [1, 2, 3])
    add_ranking(conversation(project, CONVERSATION, "x", "y"), ann, [2, 1])
    export("--format", "trl")
    loaded = load(tmp_path / "out.jsonl")
    assert all(is_conversational(line) for line in loaded)
    assert loaded[0]["prompt"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert loaded[3] == {
        "prompt": CONVERSATION,
        "chosen": [{"role": "assistant", "content": "y"}],
        "rejected": [{"role": "assistant", "content": "x"}],
    }


@pytest.mark.parametrize(
    "messages",
    [CONVERSATION, [{"role": "system", "content": "Go on."}]],
    ids=["two messages", "not a user's"],
)
def test_a_conversation_that_nobody_ranked_leaves_the_others_plain(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    messages: list[dict[str, str]],
) -> None:
    talk = conversation(project, messages, "x", "y")
    add_ranking(add_prompt(responses=THREE), ann, [1, 2, 3])
    assert not exporting.has_conversations(project)
    add_ranking(talk, ann, [1, 2])
    assert exporting.has_conversations(project)


# NeMo


def test_nemo_gets_a_line_a_ranking_with_the_best_at_0(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    bob: Member,
    export: Any,
    tmp_path: Path,
) -> None:
    prompt = add_prompt(responses=THREE)
    name_responses(prompt, "a", "b", "c")
    add_ranking(prompt, ann, [2, 1, 2])
    add_ranking(prompt, bob, [1, 1, 1])  # all tied: it says nothing
    export("--format", "nemo")
    (line,) = load(tmp_path / "out.jsonl")
    assert line["context"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert [
        (c["rank"], c["completion"][0]["role"], c["completion"][0]["content"])
        for c in line["completions"]
    ] == [
        (0, "assistant", "Paint."),
        (1, "assistant", "Scattering."),
        (1, "assistant", "The sea."),
    ]


# CSV


def test_the_table_has_a_row_a_response_of_a_ranking(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, bob: Member, export: Any
) -> None:
    prompt = add_prompt(responses=THREE, external_id="p1")
    a, b, c = name_responses(prompt, "a", "b", "c")
    ranking = add_ranking(prompt, ann, [2, 1, 2], seconds=4.5, created_at=NOON)
    Rating.objects.create(ranking=ranking, response=c, score=3, flags=["Ä", "B"])
    Assignment.objects.create(
        prompt=prompt, member=ann, order=[c.pk, b.pk, a.pk], expires_at=NOON, submitted_at=NOON
    )
    add_ranking(prompt, bob, [1, 1, 1])
    text = export(name="out.csv")
    assert text.splitlines()[0] == ",".join(COLUMNS)
    found = rows(text)
    assert [(row["ranking"], row["response_id"], row["rank"]) for row in found] == [
        ("1", "b", "1"), ("1", "a", "2"), ("1", "c", "2"),
        ("2", "a", "1"), ("2", "b", "1"), ("2", "c", "1"),
    ]  # fmt: skip
    assert found[2] == {
        "ranking": "1",
        "prompt_id": "p1",
        "prompt": "Why is the sky blue?",
        "conversation": "",
        "labeller": "ann",
        "version": "1",
        "current": "true",
        "origin": "here",
        "surplus": "false",
        "created_at": "2026-03-01T12:00:00.000000Z",
        "seconds": "4.5",
        "all_bad": "false",
        "note": "",
        "response_id": "c",
        "source": "model-2",
        "place_shown": "1",
        "rank": "2",
        "score": "3",
        "flags": '["Ä", "B"]',
        "response": "The sea.",
    }


def test_a_conversation_stands_in_the_table_whole_and_by_its_last_message(
    project: Project, add_ranking: AddRanking, ann: Member, export: Any
) -> None:
    add_ranking(conversation(project, CONVERSATION, "x", "y"), ann, [2, 1])
    row = rows(export(name="out.csv"))[0]
    assert row["prompt"] == "Why?"
    assert json.loads(row["conversation"]) == CONVERSATION


HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1",
    "\n=1", "＝1", "'=1", "'quoted'", 'a,"b"\r\nc', "<script>",
]  # fmt: skip


def test_no_cell_of_the_table_is_run_as_a_formula_and_each_can_be_had_back(
    add_prompt: AddPrompt, project: Project, export: Any
) -> None:
    evil = Member.objects.create(project=project, name='=HYPERLINK("x")')
    prompt = add_prompt("=1+1", responses=HOSTILE)
    responses = list(prompt.responses.order_by("pk"))
    rank(prompt, evil, responses[:6], [1] * 6)
    rank(prompt, evil, responses[6:], [1] * 6)
    found = rows(export(name="out.csv"))
    assert len(found) == len(HOSTILE)
    for row in found:
        assert not any(re.match(r"[=+\-@＝＋－＠\t\r\n]", value) for value in row.values())
        assert row["prompt"] == "'=1+1"
        assert row["labeller"] == '\'=HYPERLINK("x")'
    read_back = {
        text[1:] if FORMULA.match(text) else text for text in (r["response"] for r in found)
    }
    assert read_back == set(HOSTILE)


def test_a_table_of_no_rankings_is_its_header(add_prompt: AddPrompt, export: Any) -> None:
    add_prompt()
    assert export(name="out.csv") == ",".join(COLUMNS) + "\r\n"


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
    monkeypatch.setattr(exporting, "BATCH", 2)
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


# The file


def test_the_manifest_says_what_is_in_the_file(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    bob: Member,
    project: Project,
    tmp_path: Path,
) -> None:
    hashes = []
    for number in range(12):
        prompt = add_prompt(f"Number {number}?", THREE)
        add_ranking(prompt, ann, [1, 2, 2])
        hashes.append(prompt.content_hash)
    add_ranking(prompt, bob, [1, 2, 3])
    add_ranking(add_prompt("All alike?", THREE), bob, [1, 1, 1])
    add_prompt("Nobody ranked this?")
    out = io.StringIO()
    path = tmp_path / "kitchen.jsonl.gz"
    call_command("export_rankings", "kitchen", str(path), stdout=out)
    manifest = json.loads((tmp_path / "kitchen.jsonl.gz.manifest.json").read_text())
    assert manifest["counts"] == {
        "prompts": 14,
        "rankings": 14,
        "comparisons": 12 * 2 + 3,
        "responses": 13 * 3 + 4,
        "labellers": 2,
    }
    assert manifest["file"] == "kitchen.jsonl.gz"
    assert manifest["format"] == "jsonl"
    assert manifest["versions"] == "current"
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["bytes"] == path.stat().st_size
    assert datetime.fromisoformat(manifest["made_at"]).tzinfo is not None
    assert manifest["project"]["slug"] == "kitchen"
    assert manifest["project"]["guidelines"] == "Prefer *short*."
    assert manifest["split"] == {
        "held_out_fraction": TrainConfig.held_out_fraction,
        "split": 0,
        "prompts": 12,
        "held_out_prompts": len(held_out_hashes(hashes, TrainConfig.held_out_fraction)),
    }
    assert "14 rankings (27 comparisons) by 2 labellers, of 14 prompts" in out.getvalue()


@pytest.mark.parametrize("ranked_prompts", [0, 1, 2, 3])
def test_the_manifest_holds_out_as_many_of_few_prompts_as_training_does(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    export: Any,
    tmp_path: Path,
    ranked_prompts: int,
) -> None:
    hashes = []
    for number in range(ranked_prompts):
        prompt = add_prompt(f"Number {number}?", THREE)
        add_ranking(prompt, ann, [1, 2, 3])
        hashes.append(prompt.content_hash)
    export()
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    expected = held_out_hashes(hashes, TrainConfig.held_out_fraction)
    assert manifest["split"]["held_out_prompts"] == len(expected)


def test_a_file_that_is_there_is_replaced_only_when_asked(
    add_prompt: AddPrompt, tmp_path: Path
) -> None:
    add_prompt()
    path = tmp_path / "out.jsonl"
    path.write_text("precious")
    assert refused("kitchen", str(path)) == f"{path} is there already; --force replaces it"
    assert path.read_text() == "precious"
    call_command("export_rankings", "kitchen", str(path), "--force", stdout=io.StringIO())
    assert len(lines(path.read_text())) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.manifest.json"]


def test_a_manifest_that_is_there_is_not_written_over(project: Project, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.manifest.json").write_text("{}")
    assert "out.jsonl.manifest.json is there already" in refused(
        "kitchen", str(tmp_path / "out.jsonl")
    )


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """A disk, for this process, on which no file may grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_full_disk_leaves_nothing_half_and_the_old_file_as_it_was(
    add_prompt: AddPrompt, tmp_path: Path, name: str
) -> None:
    for number in range(40):
        add_prompt(
            f"{hash_text(str(number))} {number}?", [hash_text(f"{number} {i}") for i in range(9)]
        )
    path = tmp_path / name
    path.write_text("precious")
    with room_for(4096):
        message = refused("kitchen", str(path), "--force")
    assert message == f"{path} cannot be written: File too large"
    assert path.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("slug", "name", "message"),
    [
        ("nowhere", "out.jsonl", "there is no project 'nowhere'"),
        ("kitchen", "no/such/folder/out.jsonl", "cannot be written: No such file or directory"),
        ("kitchen", ".", "is there and is not a file"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(
    project: Project, tmp_path: Path, slug: str, name: str, message: str
) -> None:
    error = refused(slug, str(tmp_path / name))
    assert message in error
    assert "\n" not in error


def test_a_line_is_on_standard_output_where_no_file_is_named(
    add_prompt: AddPrompt, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    add_prompt("Wörds?")
    call_command("export_rankings", "kitchen")
    assert json.loads(capsysbinary.readouterr().out)["prompt"] == "Wörds?"
    call_command("export_rankings", "kitchen", "-", "--format", "csv")
    assert capsysbinary.readouterr().out.startswith(b"ranking,prompt_id")
    assert list(tmp_path.iterdir()) == []


# The page

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
    assert [line["version"] for line in found] == [1, 2]


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
