"""Cache figures over many rows, and only those."""

import re

import pytest
from django.core.cache import cache

from labelapp.db import cache as counts
from labelapp.models import Member, Project, Prompt
from tests.conftest import AddPrompt, sign_in

PAGES = ("/projects/kitchen/", "/projects/kitchen/progress/")
TWO = r"<dd>2</dd>|>2 prompts</a>"


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_an_ordinary_project_is_counted_every_time(
    project: Project, manager: Member, add_prompt: AddPrompt, page: str
) -> None:
    add_prompt("One?")
    client = sign_in(manager)
    client.get(page)
    add_prompt("Two?")
    text = client.get(page).content.decode()
    assert re.search(TWO, text)
    assert "Counted" not in text


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_a_very_large_project_is_counted_once_a_minute_and_says_so(
    project: Project,
    manager: Member,
    add_prompt: AddPrompt,
    page: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counts, "LARGE", 1)
    add_prompt("One?")
    add_prompt("Two?")
    client = sign_in(manager)
    assert "Counted" not in client.get(page).content.decode()
    Prompt.objects.all().delete()
    text = client.get(page).content.decode()
    assert re.search(TWO, text)
    assert "Counted" in text


def test_projects_are_counted_each_for_itself(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "LARGE", 10)
    asked: list[list[int]] = []

    def count(keys: list[int]) -> dict[int, int]:
        asked.append(keys)
        return {key: 10 * key for key in keys}

    for _ in range(2):
        assert counts.cached_each("rows", [1, 2, 3], count) == {1: 10, 2: 20, 3: 30}
    assert asked == [[1, 2, 3], [1]]
