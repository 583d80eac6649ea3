"""The page of a reviewed prompt: ranks, probabilities and what can be done."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from labelapp.models import Member, Prompt, PromptAgreement, Ranking, Rating, TrainingRun
from labelapp.reviewing.pairs import pair_rows
from labelapp.reviewing.raters import rater_rows
from labelapp.reviewing.review import ReviewedPrompt, review
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.reviewing.scored import URL, score_in_order
from tests.labelapp.runs.pages import text_of
from training.rankings import UNRANKED
from training.runs.outcomes import OutcomeModel


@pytest.fixture
def prompt(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    manager: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> Prompt:
    """A prompt that two people ranked, and a third adjudicated; the model ties two responses."""
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4])
    add_ranking(prompt, manager, [1, 3, 2, UNRANKED])
    add_ranking(prompt, manager, [1, 2, 2, 3], origin="adjudicated", version=2)
    score_in_order(run, tmp_path, prompt, 1.0, 3.0, 1.0, 0.0)
    return prompt


def reviewed(run: TrainingRun) -> ReviewedPrompt:
    [found] = review(run, list(PromptAgreement.objects.select_related("prompt")))
    return found


def test_the_model_is_one_more_row_of_the_ranks(prompt: Prompt, run: TrainingRun) -> None:
    rows = rater_rows(reviewed(run))
    assert [one.letter for one in reviewed(run).responses] == ["B", "A", "C", "D"]
    assert [(row.name, [cell.rank for cell in row.cells]) for row in rows] == [
        ("labeller", [2, 1, 3, 4]),
        ("manager", [3, 1, 2, None]),
        ("manager (adjudicated)", [2, 1, 2, 3]),
        ("Majority", [2, 1, 2, 3]),
        ("Model", [1, 2, 2, 3]),
    ]
    assert [(row.agreed, row.compared) for row in rows] == [
        (4, 6), (3, 6), (3, 5), (3, 5), (None, None)
    ]  # fmt: skip


def test_the_rows_that_are_not_people_are_named_in_the_language_of_the_page(
    prompt: Prompt, run: TrainingRun
) -> None:
    with translation.override("de"):
        assert [row.name for row in rater_rows(reviewed(run))[-2:]] == ["Mehrheit", "Modell"]


def test_scores_and_flags_of_people_are_beside_their_ranks(
    prompt: Prompt, run: TrainingRun, labeller: Member, reviewer: Member
) -> None:
    ranking = Ranking.objects.get(member=labeller)
    first = prompt.responses.order_by("pk")[0]
    Rating.objects.create(ranking=ranking, response=first, score=6, flags=["Hallucination"])
    [shown] = [one for one in reviewed(run).responses if one.letter == "A"]
    assert [(given.name, given.rank, given.score, list(given.flags)) for given in shown.ranks] == [
        ("labeller", 1, 6, ["Hallucination"]),
        ("manager", 1, None, []),
        ("manager (adjudicated)", 1, None, []),
    ]
    page = text_of(sign_in(reviewer).get(f"{URL}{prompt.pk}/").content.decode())
    assert "Majority 1 Human ranks 1 labeller · score 6 Hallucination 1 manager" in page


def test_each_pair_has_its_probability_and_its_votes(prompt: Prompt, run: TrainingRun) -> None:
    rows = {row.response.letter: row for row in pair_rows(reviewed(run), OutcomeModel())}
    first, second, third, last = (rows[letter].cells for letter in "BACD")
    assert first[0] is second[1] is third[2] is last[3] is None
    assert first[1] is not None
    assert first[1].outcome.win == pytest.approx(1 / (1 + 2.718281828**-2))
    assert (first[1].votes, first[1].of) == (0, 2)
    assert second[0] is not None
    assert second[0].is_contested  # both rank A above B
    assert second[2] is not None
    assert not second[2].is_contested  # equal rewards contradict nobody
    assert second[2].outcome.win == 0.5


def test_ties_have_a_probability_where_the_run_learned_one(
    prompt: Prompt, run: TrainingRun, manager: Member
) -> None:
    url = f"{URL}{prompt.pk}/"
    assert "tie " not in sign_in(manager).get(url).content.decode()
    run.metrics |= {"davidson_nu": 2.0}
    run.save()
    assert "tie 50\u202f%" in sign_in(manager).get(url).content.decode()  # of A and C


def test_one_more_ranking_is_asked_for_from_the_page(prompt: Prompt, manager: Member) -> None:
    browser = sign_in(manager)
    url = f"{URL}{prompt.pk}/?held_out=1"
    assert "Ask for one more ranking" in browser.get(url).content.decode()
    answer = browser.post(f"/projects/kitchen/prompts/{prompt.pk}/", {"act": "again", "back": url})
    assert answer.headers["Location"] == url
    assert "1 prompt will be ranked once more." in browser.get(url).content.decode()
    prompt.refresh_from_db()
    assert prompt.rankings_wanted == 2


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org/", "javascript:x", ""])
def test_only_a_page_of_this_application_is_returned_to(
    prompt: Prompt, manager: Member, back: str
) -> None:
    url = f"/projects/kitchen/prompts/{prompt.pk}/"
    answer = sign_in(manager).post(url, {"act": "again", "back": back})
    assert answer.headers["Location"] == url


def test_a_reviewer_adjudicates_or_asks_for_one_more_ranking(
    prompt: Prompt, reviewer: Member
) -> None:
    page = sign_in(reviewer).get(f"{URL}{prompt.pk}/").content.decode()
    assert f"/projects/kitchen/disagreements/{prompt.pk}/" in page
    assert "Ask for one more ranking" in page


def test_the_texts_are_found_by_letter(prompt: Prompt, run: TrainingRun, reviewer: Member) -> None:
    found = sign_in(reviewer).get(f"{URL}{prompt.pk}/texts/", {"run": run.pk}).json()
    assert found["B"] == "Paint."
    assert found["message-1"] == "Why is the sky blue?"


def test_texts_are_for_managers_and_reviewers(
    prompt: Prompt, labeller: Member, outsider: Any
) -> None:
    url = f"{URL}{prompt.pk}/texts/"
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(outsider).get(url).status_code == 404


@pytest.mark.parametrize("responses", [4, 9])
def test_the_page_makes_the_same_queries_whatever_it_holds(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    manager: Member,
    labeller: Member,
    run: TrainingRun,
    tmp_path: Path,
    responses: int,
    django_assert_num_queries: Any,
) -> None:
    prompt = add_prompt(responses=[f"Response {n}" for n in range(responses)])
    for member in (manager, labeller)[: responses // 4]:
        add_ranking(prompt, member, range(1, responses + 1))
    score_in_order(run, tmp_path, prompt, *(float(n) for n in range(responses)))
    browser = sign_in(manager)
    with django_assert_num_queries(21):
        browser.get(f"{URL}{prompt.pk}/")
