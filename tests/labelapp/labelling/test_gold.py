"""Gold: which rankings measure others, marked by managers on the page of the prompt."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labelapp.labelling import controls
from labelapp.models import Member, Origin, Project, Prompt, Ranking, User
from tests.conftest import AddPrompt, AddRanking, sign_in

SETTINGS = "/projects/kitchen/settings/"
LIST = "/projects/kitchen/prompts/?show=gold"


def url(ranking: Ranking) -> str:
    return f"/projects/kitchen/prompts/{ranking.prompt_id}/gold/{ranking.pk}/"


@pytest.fixture
def ranking(labeller: Member, add_prompt: AddPrompt, add_ranking: AddRanking) -> Ranking:
    return add_ranking(add_prompt(), labeller, (1, 2, 3, 4))


def gold() -> list[Ranking]:
    return list(Ranking.objects.filter(is_gold=True))


def test_a_manager_makes_a_ranking_gold_and_not(ranking: Ranking, manager: Member) -> None:
    browser = sign_in(manager)
    page = browser.post(url(ranking), {"gold": "1"}, follow=True).content.decode()
    assert "labeller’s ranking is now the gold ranking." in page
    assert gold() == [ranking]
    assert "Remove gold mark" in page
    page = browser.post(url(ranking), follow=True).content.decode()
    assert "The ranking by labeller is no longer gold." in page
    assert gold() == []
    assert "Make gold" in page


def test_marking_another_moves_the_mark_and_says_so(
    ranking: Ranking, reviewer: Member, manager: Member, add_ranking: AddRanking
) -> None:
    other = add_ranking(ranking.prompt, reviewer, (4, 3, 2, 1), origin=Origin.ADJUDICATED)
    browser = sign_in(manager)
    browser.post(url(ranking), {"gold": "1"})
    page = browser.post(url(other), {"gold": "1"}, follow=True).content.decode()
    assert "reviewer’s ranking is now the gold ranking, instead of labeller’s." in page
    assert gold() == [other]


def test_the_mark_stays_when_its_labeller_changes_their_mind(
    ranking: Ranking, manager: Member
) -> None:
    controls.mark_gold(ranking)
    Ranking.objects.update(is_current=False)
    page = sign_in(manager).get(f"/projects/kitchen/prompts/{ranking.prompt_id}/").content.decode()
    assert "Remove gold mark" in page
    assert "Make gold" not in page


@pytest.mark.parametrize(
    ("fields", "ranks", "why"),
    [
        ({"is_current": False}, (1, 2, 3, 4), "Only a ranking that counts"),
        ({"is_current": False, "origin": "repeated"}, (1, 2, 3, 4), "Only a ranking that counts"),
        ({}, (1, 1, 1, 1), "ties everything"),
        ({}, (1, 2), "needs 4 to 9 responses, because labellers are shown as many; this one has 2"),
    ],
)
def test_what_cannot_measure_others_is_refused(
    manager: Member,
    labeller: Member,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    fields: dict[str, object],
    ranks: tuple[int, ...],
    why: str,
) -> None:
    prompt = add_prompt(responses=[f"text {i}" for i in range(len(ranks))])
    ranking = add_ranking(prompt, labeller, ranks, **fields)
    page = sign_in(manager).post(url(ranking), {"gold": "1"}, follow=True).content.decode()
    assert why in page
    assert gold() == []


def test_only_managers_mark(
    ranking: Ranking, labeller: Member, reviewer: Member, outsider: User
) -> None:
    for person, status in ((labeller, 403), (reviewer, 403), (outsider, 404)):
        assert sign_in(person).post(url(ranking), {"gold": "1"}).status_code == status
    page = sign_in(reviewer).get(f"/projects/kitchen/prompts/{ranking.prompt_id}/").content.decode()
    assert "Make gold" not in page
    assert gold() == []


def test_a_ranking_of_another_prompt_or_project_is_not_there(
    ranking: Ranking, manager: Member, add_prompt: AddPrompt
) -> None:
    other = add_prompt("Other?")
    browser = sign_in(manager)
    wrong = f"/projects/kitchen/prompts/{other.pk}/gold/{ranking.pk}/"
    assert browser.post(wrong, {"gold": "1"}).status_code == 404
    Prompt.objects.update(project=Project.objects.create(name="Garden", slug="garden"))
    assert browser.post(url(ranking), {"gold": "1"}).status_code == 404
    assert browser.get(url(ranking)).status_code == 405


def test_the_list_of_gold_prompts_holds_them_and_no_others(
    ranking: Ranking, manager: Member, add_prompt: AddPrompt
) -> None:
    add_prompt("Not gold?")
    browser = sign_in(manager)
    assert "No prompt has a gold ranking yet." in browser.get(LIST).content.decode()
    controls.mark_gold(ranking)
    page = browser.get(LIST).content.decode()
    assert "Why is the sky blue?" in page
    assert "Not gold?" not in page


def test_the_list_takes_the_same_queries_however_many_are_gold(
    manager: Member, labeller: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    browser, counts = sign_in(manager), []
    for i in range(6):
        controls.mark_gold(add_ranking(add_prompt(f"{i}?"), labeller, (1, 2, 3, 4)))
        with CaptureQueriesContext(connection) as queries:
            browser.get(LIST)
        counts.append(len(queries))
    assert len(set(counts[1:])) == 1


# Settings

SHARES = {"gold_share": "5", "repeat_share": "10", "repeat_after_days": "14"}
OTHERS = {"name": "Kitchen", "responses_per_ranking": "9", "rankings_per_prompt": "1"}


def saved(manager: Member, **posted: str) -> tuple[int, str]:
    form = {**OTHERS, "lease_minutes": "60", **posted}
    answer = sign_in(manager).post(SETTINGS, form, follow=True)
    return answer.status_code, answer.content.decode()


def shares() -> tuple[int, int, int]:
    project = Project.objects.get()
    return project.gold_share, project.repeat_share, project.repeat_after_days


def test_a_manager_sets_the_shares(manager: Member) -> None:
    assert saved(manager, **SHARES)[0] == 200
    assert shares() == (5, 10, 14)


def test_shares_that_are_not_posted_stay(manager: Member) -> None:
    Project.objects.update(gold_share=7, repeat_share=8, repeat_after_days=9)
    saved(manager, repeat_share="")
    assert shares() == (7, 8, 9)


@pytest.mark.parametrize(
    "posted", [{"gold_share": "51"}, {"repeat_share": "-1"}, {"repeat_after_days": "0"}]
)
def test_a_share_out_of_bounds_is_refused(manager: Member, posted: dict[str, str]) -> None:
    status, page = saved(manager, **SHARES | posted)
    assert status == 422
    assert "errorlist" in page
    assert shares() == (0, 0, 7)


def test_the_settings_warn_of_a_share_without_gold(ranking: Ranking, manager: Member) -> None:
    warning = "No prompt has a gold ranking yet, so labellers get none."
    assert warning not in saved(manager, gold_share="0")[1]
    assert warning in saved(manager, gold_share="5")[1]
    controls.mark_gold(ranking)
    assert warning not in saved(manager, gold_share="5")[1]
