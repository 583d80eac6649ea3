"""The actions of managers on prompts, from the pages."""

import pytest
from django.test import Client

from labelapp.models import (
    Member,
    Project,
    Prompt,
    User,
)
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.projects.steering import URL, slots, task


def test_a_manager_sets_the_priority_of_the_chosen(add_prompt: AddPrompt, manager: Member) -> None:
    one, two, three = (add_prompt(f"{i}?") for i in range(3))
    data = {"prompt": [one.pk, three.pk], "act": "priority", "priority": "7"}
    response = sign_in(manager).post(f"{URL}?show=waiting&after=x", data, follow=True)
    assert "2 prompts now have priority 7." in response.content.decode()
    assert response.redirect_chain == [(f"{URL}?show=waiting&after=x", 302)]
    assert [p.priority for p in Prompt.objects.order_by("pk")] == [7, 0, 7]
    assert slots(two) == (1, 1, False)


def test_a_manager_reopens_and_takes_out_the_chosen(add_prompt: AddPrompt, manager: Member) -> None:
    one = add_prompt("1?")
    few = add_prompt("2?", ["a", "b"], wanted=0)
    client = sign_in(manager)
    response = client.post(URL, {"prompt": [one.pk, few.pk], "act": "again"}, follow=True)
    html = response.content.decode()
    assert "1 prompt will be ranked once more. 1 prompt cannot be ranked" in html
    assert slots(one) == (2, 2, True)
    html = client.post(URL, {"prompt": one.pk, "act": "out"}, follow=True).content.decode()
    assert "1 prompt removed from the queue" in html
    assert slots(one)[:2] == (0, 0)
    html = client.post(URL, {"prompt": one.pk, "act": "out"}, follow=True).content.decode()
    assert "Nothing to remove" in html


BAD_ACTS: dict[str, tuple[dict[str, str], str]] = {
    "nothing chosen": ({"prompt": "", "act": "again"}, "Select at least one prompt"),
    "no act": ({}, "Choose an action."),
    "an act that is none": ({"act": "burn"}, "Choose an action."),
    "no priority": ({"act": "priority"}, "Enter the priority"),
    "a priority in words": ({"act": "priority", "priority": "high"}, "Enter a whole number"),
    "a huge priority": ({"act": "priority", "priority": "9" * 20}, "Enter a whole number"),
}


def test_a_reviewer_of_a_disagreement_asks_for_one_more_ranking_and_does_nothing_else(
    add_prompt: AddPrompt, reviewer: Member, labeller: Member
) -> None:
    prompt = add_prompt(wanted=0)
    client = sign_in(reviewer)
    page = f"/projects/kitchen/disagreements/{prompt.pk}/"
    assert "Ask for one more ranking" in client.get(page).content.decode()
    answer = client.post(f"{URL}{prompt.pk}/", {"act": "again", "back": page})
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert slots(prompt) == (1, 1, True)
    for act in ({"act": "priority", "priority": "7"}, {"act": ["again", "priority"]}, {}):
        assert client.post(f"{URL}{prompt.pk}/", act).status_code == 403
    assert client.post(URL, {"prompt": prompt.pk, "act": "again"}).status_code == 403
    assert sign_in(labeller).post(f"{URL}{prompt.pk}/", {"act": "again"}).status_code == 403
    assert slots(prompt) == (1, 1, True)


@pytest.mark.parametrize(("data", "message"), BAD_ACTS.values(), ids=BAD_ACTS)
def test_a_bad_act_is_refused_in_words_and_what_was_chosen_stays(
    add_prompt: AddPrompt, manager: Member, data: dict[str, str], message: str
) -> None:
    prompt = add_prompt()
    response = sign_in(manager).post(URL, {"prompt": str(prompt.pk)} | data)
    assert response.status_code == 422
    html = response.content.decode()
    assert message in html
    assert (f'value="{prompt.pk}" checked' in html) is ("prompt" not in data)
    if "prompt" not in data:
        response = sign_in(manager).post(f"{URL}{prompt.pk}/", data)
        assert response.status_code == 422
        assert message in response.content.decode()
    assert slots(prompt) == (1, 1, False)


@pytest.mark.parametrize("pk", ["x", "-1", "9" * 40, ""])
def test_a_number_that_is_none_chooses_nothing(
    add_prompt: AddPrompt, manager: Member, pk: str
) -> None:
    add_prompt()
    assert sign_in(manager).post(URL, {"prompt": pk, "act": "again"}).status_code == 422


def test_another_projects_prompt_cannot_be_chosen(manager: Member) -> None:
    other = Project.objects.create(name="Attic", slug="attic")
    foreign = other.prompts.create(messages=[], content_hash="x")
    data = {"prompt": foreign.pk, "act": "priority", "priority": "9"}
    assert sign_in(manager).post(URL, data).status_code == 422
    assert sign_in(manager).post(f"{URL}{foreign.pk}/", data).status_code == 404
    foreign.refresh_from_db()
    assert foreign.priority == 0


def test_a_manager_sets_what_every_queued_prompt_wants(
    add_prompt: AddPrompt, manager: Member
) -> None:
    prompt = add_prompt()
    client = sign_in(manager)
    response = client.post(f"{URL}wanted/", {"wanted": "3"}, follow=True)
    assert "1 prompt changed." in response.content.decode()
    assert slots(prompt)[:2] == (3, 3)
    for bad in ("", "0", "101", "many"):
        response = client.post(f"{URL}wanted/", {"wanted": bad})
        assert response.status_code == 422
        assert "Enter a whole number from 1 to 100." in response.content.decode()
    assert client.get(f"{URL}wanted/").status_code == 405


def test_a_manager_takes_a_prompt_back(
    add_prompt: AddPrompt, manager: Member, labeller: Member
) -> None:
    prompt = add_prompt()
    held = task(labeller)
    url = f"{URL}{prompt.pk}/take-back/{held.pk}/"
    client = sign_in(manager)
    assert "Take back" in client.get(f"{URL}{prompt.pk}/").content.decode()
    assert (
        "The prompt was taken back from labeller." in client.post(url, follow=True).content.decode()
    )
    assert slots(prompt)[:2] == (1, 1)
    assert "no longer has this prompt" in client.post(url, follow=True).content.decode()
    assert client.get(url).status_code == 405
    assert client.post(f"{URL}{prompt.pk}/take-back/99999/").status_code == 404
    assert client.post(f"{URL}{prompt.pk + 1}/take-back/{held.pk}/").status_code == 404


def test_only_managers_steer(
    add_prompt: AddPrompt, labeller: Member, reviewer: Member, outsider: User
) -> None:
    prompt = add_prompt()
    held = task(labeller)
    act = {"prompt": prompt.pk, "act": "again"}
    posts = {
        URL: act,
        f"{URL}{prompt.pk}/": act | {"act": "priority", "priority": "7"},
        f"{URL}wanted/": {"wanted": "3"},
        f"{URL}{prompt.pk}/take-back/{held.pk}/": {},
    }
    for url, data in posts.items():
        assert sign_in(labeller).post(url, data).status_code == 403
        assert sign_in(reviewer).post(url, data).status_code == 403
        assert sign_in(outsider).post(url, data).status_code == 404
        assert Client().post(url, data).status_code == 302
    assert slots(prompt) == (1, 0, False)


def test_prompts_are_for_managers_and_reviewers(
    add_prompt: AddPrompt, labeller: Member, reviewer: Member, outsider: User
) -> None:
    for url in (URL, f"{URL}{add_prompt().pk}/"):
        assert sign_in(reviewer).get(url).status_code == 200
        assert sign_in(labeller).get(url).status_code == 403
        assert sign_in(outsider).get(url).status_code == 404
        assert Client().get(url).status_code == 302
        assert sign_in(reviewer).delete(url).status_code == 405
