"""Searching with and without the index, which must find the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from labelapp.db import contents, text_index
from labelapp.db.bulk import delete_with_references
from labelapp.db.contents import rare_matches, read_through, search_prompts
from labelapp.models import Project, Prompt, Response

pytestmark = [pytest.mark.django_db, pytest.mark.database]

TEXTS = [
    'She said "never": 100 % of it, C:\\new\\table',
    "Ärger über die Straße\nin two lines",
    "Ein ärgerlicher Fall",
    "under_score and under-score and underXscore",
    "日本語の文章を書く",
    "Plain words about cheese",
]
SEARCHES = [
    '"never"',
    "100 %",
    "C:\\new",
    "\\table",
    "nin two",
    "ärger",
    "ÄRGER",
    "under_score",
    "日本語",
    "cheese",
    "CHEESE",
    "recipe-4",
    "nothing of the kind",
    "role",
    "content",
    "* OR NOT (",
]


@pytest.fixture
def prompts(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[Prompt]:
    """Prompts with a response each, in a project that counts as large."""
    monkeypatch.setattr(contents, "PROBED", 1)
    made = []
    for i, text in enumerate(TEXTS):
        messages = [{"role": "user", "content": "Hello"}, {"role": "user", "content": text}]
        prompt = Prompt.objects.create(
            project=project, content_hash=f"{i:064x}", external_id=f"recipe-{i}", messages=messages
        )
        Response.objects.create(prompt=prompt, text=f"Answer {i}: {text}", content_hash=f"{i:064x}")
        made.append(prompt)
    return made


@pytest.fixture
def by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search as with the index; a PostgreSQL without pg_trgm answers the same, but slowly."""
    if connection.vendor == "postgresql":
        monkeypatch.setattr(contents, "has_index", lambda: True)


def found(project: Project, search: str) -> list[int]:
    return sorted(prompt.pk for prompt in search_prompts(project.prompts.all(), search, project))


@pytest.mark.usefixtures("by_index")
@pytest.mark.parametrize("search", SEARCHES)
def test_the_index_finds_what_reading_finds(
    project: Project, prompts: list[Prompt], search: str
) -> None:
    indexed = rare_matches(project, search)
    assert indexed is not None
    read = read_through(project.prompts.all(), search)
    assert set(project.prompts.filter(pk__in=indexed)) == set(read)


def test_finds_a_text_wherever_it_is(project: Project, prompts: list[Prompt]) -> None:
    assert found(project, "never") == [prompts[0].pk]
    assert found(project, "ÄRGER") == [prompts[1].pk, prompts[2].pk]
    assert found(project, "EIN ÄR") == [prompts[2].pk]
    assert found(project, "recipe-5") == [prompts[5].pk]
    assert found(project, "hello") == [prompt.pk for prompt in prompts]
    assert found(project, "zq") == []
    assert found(project, "ße") == [prompts[1].pk]
    assert found(project, "Answer") == []


@pytest.mark.parametrize("indexed", [True, False])
def test_finds_the_text_of_responses(
    project: Project, prompts: list[Prompt], indexed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not indexed:
        monkeypatch.setattr(contents, "has_index", lambda: False)
    rare = rare_matches(project, "answer 3", responses=True)
    if rare is None:
        rare = read_through(project.prompts.all(), "answer 3", responses=True).values("pk")
    assert list(project.prompts.filter(pk__in=rare)) == [prompts[3]]


def test_a_frequent_text_is_read(
    project: Project, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "COMMON", 1)
    assert rare_matches(project, "hello") is None
    assert found(project, "hello") == [prompt.pk for prompt in prompts]


def test_a_small_project_is_read(
    project: Project, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "PROBED", 1000)
    assert rare_matches(project, "cheese") is None
    assert found(project, "cheese") == [prompts[5].pk]


@pytest.mark.usefixtures("by_index")
def test_other_projects_are_not_found(project: Project, prompts: list[Prompt]) -> None:
    other = Project.objects.create(name="Other", slug="other")
    Prompt.objects.create(project=other, content_hash="0" * 64, messages=prompts[5].messages)
    rare = rare_matches(project, "cheese")
    assert [row["pk"] for row in rare] == [prompts[5].pk]


@pytest.mark.usefixtures("by_index")
def test_the_index_follows_changes(project: Project, prompts: list[Prompt]) -> None:
    prompt = prompts[5]
    prompt.messages = [{"role": "user", "content": "Plain words about butter"}]
    prompt.save()
    Response.objects.filter(prompt=prompt).update(text="Churned")
    assert found(project, "cheese") == []
    assert found(project, "butter") == [prompt.pk]
    assert list(rare_matches(project, "churned", responses=True).values_list("pk", flat=True)) == [
        prompt.pk
    ]
    Prompt.objects.filter(pk=prompt.pk).update(external_id="renamed")
    assert found(project, "recipe-5") == []
    assert found(project, "renamed") == [prompt.pk]
    delete_with_references(project.prompts.all())
    assert found(project, "hello") == []
    if connection.vendor == "sqlite":
        assert rows(text_index.PROMPT_TEXT, "hello") == rows(text_index.RESPONSE_TEXT, "ans") == []


def rows(index: str, phrase: str) -> list[Any]:
    with connection.cursor() as cursor:
        statement = f"SELECT rowid FROM {index} WHERE {index} MATCH %s"  # noqa: S608 - ours
        cursor.execute(statement, [phrase])
        return list(cursor.fetchall())


@pytest.fixture
def lost_trigger() -> Iterator[None]:
    name = f"{text_index.PROMPT_TEXT}_insert"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}")
    yield
    text_index.ensure()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite has triggers")
def test_migrating_restores_what_is_lost(
    project: Project, lost_trigger: None, prompts: list[Prompt]
) -> None:
    assert found(project, "cheese") == []
    call_command("migrate", verbosity=0)
    assert found(project, "cheese") == [prompts[5].pk]
    prompts[5].delete()
    assert found(project, "cheese") == []


def test_the_check_warns_without_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_index, "has_index", lambda: False)
    assert text_index.check_index(["default"]) == [text_index.NO_INDEX]
    assert text_index.check_index(None) == []
    monkeypatch.setattr(text_index, "has_index", lambda: True)
    assert text_index.check_index(["default"]) == []
