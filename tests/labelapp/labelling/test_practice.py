"""Practice prompts: what a labeller begins with, and what it says of their ranking."""

import re
from itertools import permutations, product
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape
from hypothesis import given
from hypothesis import strategies as st

from labelapp.labelling import controls
from labelapp.labelling.practice.builtin import BUILTIN
from labelapp.labelling.practice.marking import mark
from labelapp.labelling.practice.own_prompts import MOST, choose
from labelapp.labelling.practice.tasks import PracticeTask, practice_tasks
from labelapp.models import (
    Assignment,
    Member,
    Placement,
    PracticePrompt,
    PracticeResult,
    Project,
    Prompt,
    Ranking,
    User,
)
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.parallel import in_parallel
from training.rankings import UNRANKED, comparisons

URL = "/projects/kitchen/practice/"
LABELLING = "/projects/kitchen/labelling/"


@pytest.fixture
def project(project: Project) -> Project:
    project.practice = True
    project.save()
    return project


def ranked(task: PracticeTask, *, reverse: bool = False) -> dict[str, Any]:
    """Return the values that the form of a task posts: the expected ranks, or the last first."""
    ranks = task.expected
    highest = max(ranks.values())
    return {
        f"rank-{letter}": highest + 1 - rank if reverse else rank for letter, rank in ranks.items()
    }


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_a_labellers_first_visit_goes_through_three_practice_prompts(
    labeller: Member, manager: Member, add_prompt: AddPrompt
) -> None:
    add_prompt()
    client, tasks = sign_in(labeller), practice_tasks(labeller)
    assert len(tasks) == 3
    assert client.get(LABELLING)["Location"] == URL
    for task in tasks:
        url = client.get(URL)["Location"]
        assert url == f"{URL}{task.place}/"
        assert f"Practice {task.place} of 3" in text(client, url)
        response = client.post(url, ranked(task))
        html = response.content.decode()
        assert response.status_code == 200
        assert re.search(r"All \d+ pairs as expected", html)
        for practised in task.responses:
            assert escape(practised.why) in html
        following = LABELLING if task.is_last else f"{URL}{task.place + 1}/"
        assert f'href="{following}"' in html
    assert 'id="task"' in text(client, LABELLING)
    page = text(sign_in(manager), f"/projects/kitchen/people/{labeller.pk}/")
    assert "practice: 3 of 3, 21 of 21 pairs as expected" in re.sub(r"\s+", " ", page)


def test_the_ranking_page_itself_is_practised_on(labeller: Member) -> None:
    Project.objects.update(rating_scale=5, flags=["Rude"], ties_allowed=False)
    page = text(sign_in(labeller), f"{URL}3/")
    assert 'name="rank-A"' in page
    assert "js/labelling/page.js" in page
    assert 'name="score-A"' in page
    assert 'name="flags-A"' in page
    assert 'data-ties="refused"' in page
    assert "No two responses may share a rank here." in page
    assert 'id="skip"' not in page
    assert 'hx-post="/projects/kitchen/practice' not in page


def test_nothing_of_it_is_stored_among_rankings(labeller: Member) -> None:
    client = sign_in(labeller)
    for task in practice_tasks(labeller):
        client.post(f"{URL}{task.place}/", ranked(task) | {"note": "?", "all_bad": "on"})
    assert not Ranking.objects.exists()
    assert not Placement.objects.exists()
    assert not Assignment.objects.exists()
    labeller.refresh_from_db()
    assert (labeller.ranked, labeller.ranked_that_day) == (0, 0)


def test_what_differs_is_named_pair_by_pair(labeller: Member) -> None:
    task = practice_tasks(labeller)[0]
    best, second, third, worst = sorted(task.expected, key=lambda letter: task.expected[letter])
    ranks = {best: 2, second: 1, third: 3, worst: 3}
    posted = {f"rank-{letter}": rank for letter, rank in ranks.items()}
    html = sign_in(labeller).post(f"{URL}1/", posted).content.decode()
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))
    assert "4 of 6 pairs as expected" in plain
    assert f"{best} is better than {second}. You had it the other way round." in plain
    assert f"{third} is better than {worst}. You gave them the same rank." in plain


def test_only_the_first_try_counts(labeller: Member) -> None:
    client, task = sign_in(labeller), practice_tasks(labeller)[0]
    client.post(f"{URL}1/", ranked(task, reverse=True))
    client.post(f"{URL}1/", ranked(task))
    result = PracticeResult.objects.get()
    assert (result.pairs, result.finished_at) == ({"1": [0, 6]}, None)
    for other in practice_tasks(labeller)[1:]:
        client.post(f"{URL}{other.place}/", ranked(other))
    result.refresh_from_db()
    finished = result.finished_at
    assert finished is not None
    client.post(f"{URL}skip/")
    result.refresh_from_db()
    assert (result.finished_at, result.agreeing, result.compared) == (finished, 15, 21)


def test_practice_can_be_skipped_and_repeated(
    labeller: Member, manager: Member, add_prompt: AddPrompt
) -> None:
    add_prompt()
    client = sign_in(labeller)
    assert client.post(f"{URL}skip/")["Location"] == LABELLING
    page = text(client, LABELLING)
    assert 'id="task"' in page
    assert f'href="{URL}1/"' in page  # among the keys
    assert f'href="{URL}1/"' in text(client, "/projects/kitchen/my-work/")
    client.post(f"{URL}1/", ranked(practice_tasks(labeller)[0]))
    assert PracticeResult.objects.get().pairs == {}
    page = text(sign_in(manager), f"/projects/kitchen/people/{labeller.pk}/")
    assert "practice: skipped" in page


def test_who_practises_while_prompts_are_removed_comes_to_an_end(
    labeller: Member, add_prompt: AddPrompt
) -> None:
    add_prompt()
    tasks = practice_tasks(labeller)
    PracticeResult.objects.create(member=labeller, prompts=len(tasks) + 1, pairs={"1": [1, 6]})
    client = sign_in(labeller)
    for task in tasks:
        client.post(f"{URL}{task.place}/", ranked(task))
    assert 'id="task"' in text(client, LABELLING)
    result = PracticeResult.objects.get()
    assert (result.prompts, result.pairs["1"]) == (len(tasks), [1, 6])


def test_an_incomplete_ranking_is_refused_in_words(labeller: Member) -> None:
    posted = ranked(practice_tasks(labeller)[0]) | {"rank-A": ""}
    response = sign_in(labeller).post(f"{URL}1/", posted)
    assert response.status_code == 422
    assert "A has no rank yet." in response.content.decode()
    assert not PracticeResult.objects.exists()


def test_who_has_ranked_or_does_not_label_begins_without(
    project: Project, labeller: Member, reviewer: Member, root: User
) -> None:
    Member.objects.filter(pk=labeller.pk).update(ranked=1)
    assert sign_in(labeller).get(LABELLING).status_code == 200
    assert sign_in(reviewer).get(LABELLING).status_code == 200
    client = sign_in(root)  # who is in no project, and may look at it
    task = practice_tasks(Member(project=project))[0]
    assert "pairs as expected" in client.post(f"{URL}1/", ranked(task)).content.decode()
    assert client.post(f"{URL}skip/").status_code == 302
    assert not PracticeResult.objects.exists()


def test_a_project_without_practice_begins_with_its_first_prompt(
    project: Project, labeller: Member
) -> None:
    Project.objects.update(practice=False)
    client = sign_in(labeller)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(LABELLING).status_code == 200
    assert not any("practiceresult" in query["sql"] for query in queries)
    assert "Practise again" not in text(client, LABELLING)


def test_texts_are_given_as_written_and_only_to_members(labeller: Member, outsider: User) -> None:
    texts = sign_in(labeller).get(f"{URL}3/texts/").json()
    assert texts["message-1"] == "What is 15% of 240?"
    assert "15% of 240 is **36**." in texts.values()
    for url in (URL, f"{URL}1/", f"{URL}1/texts/", f"{URL}prompts/"):
        assert sign_in(outsider).get(url).status_code == 404
        assert Client().get(url).status_code == 302
    assert sign_in(labeller).get(f"{URL}4/").status_code == 404


@pytest.mark.parametrize("most", range(4, 10))
def test_the_built_in_prompts_fit_every_project(labeller: Member, most: int) -> None:
    labeller.project.responses_per_ranking = most
    for task, prompt in zip(practice_tasks(labeller), BUILTIN, strict=True):
        assert 4 <= len(task.responses) <= most
        assert min(task.expected.values()) == 1
        assert all(response.why for response in task.responses)
        assert len(task.responses) == min(len(prompt.responses), max(most, 4))


def test_each_member_has_an_order_of_their_own_that_stays(labeller: Member) -> None:
    orders = {
        tuple(practice_tasks(Member(pk=pk, project=labeller.project))[0].expected.values())
        for pk in range(1, 20)
    }
    assert len(orders) > 5
    assert practice_tasks(labeller) == practice_tasks(labeller)


# A project's own practice prompts


@pytest.fixture
def gold(add_prompt: AddPrompt, add_ranking: AddRanking, manager: Member) -> Ranking:
    prompt = add_prompt("Which is best?", responses=("w", "x", "y", "z"), wanted=0)
    return add_ranking(prompt, manager, [2, 1, 1, UNRANKED], is_gold=True)


def test_managers_choose_gold_prompts_and_explain_them(
    gold: Ranking, manager: Member, labeller: Member
) -> None:
    client = sign_in(manager)
    url = f"{URL}prompts/"
    assert "The built-in prompts are used" in text(client, url)
    client.post(url, {"add": gold.prompt_id})
    assert "The built-in prompts are used" not in text(client, url)
    x = gold.prompt.responses.get(text="x")
    client.post(url, {f"why-{x.pk}": " Because <b>it</b> is. ", "save": "1"})
    [task] = practice_tasks(labeller)
    assert {r.text: r.rank for r in task.responses} == {"w": 2, "x": 1, "y": 1, "z": 10}
    ranks = {"w": 2, "x": 1, "y": 1, "z": 3}
    posted = {f"rank-{response.letter}": ranks[response.text] for response in task.responses}
    html = sign_in(labeller).post(f"{URL}1/", posted).content.decode()
    assert "All 5 pairs as expected" in html
    assert "Because &lt;b&gt;it&lt;/b&gt; is." in html
    assert "Below the others" in html
    client.post(url, {"remove": PracticePrompt.objects.get().pk, f"why-{x.pk}": "kept"})
    assert len(practice_tasks(labeller)) == 3


def test_a_prompt_that_is_gold_no_more_is_left_out(
    gold: Ranking, manager: Member, labeller: Member
) -> None:
    sign_in(manager).post(f"{URL}prompts/", {"add": gold.prompt_id})
    Ranking.objects.update(is_gold=False)
    assert len(practice_tasks(labeller)) == 3
    assert "no gold ranking any more" in text(sign_in(manager), f"{URL}prompts/")


def test_a_practice_prompt_is_not_given_as_gold(gold: Ranking, labeller: Member) -> None:
    assert controls.assign_gold(labeller) is not None
    PracticePrompt.objects.create(project=gold.prompt.project, prompt=gold.prompt)
    assert controls.assign_gold(labeller) is None


def test_only_gold_prompts_of_the_project_are_chosen_by_its_managers(
    gold: Ranking, manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    other = add_prompt("Not gold")
    for posted in ({"add": other.pk}, {"add": "x"}, {"remove": "1"}):
        assert sign_in(manager).post(f"{URL}prompts/", posted).status_code == 404
    assert sign_in(labeller).post(f"{URL}prompts/", {"add": gold.prompt_id}).status_code == 403
    assert not PracticePrompt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_choose_the_last_prompt_at_once_do_not_choose_too_many(
    project: Project, manager: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompts = [add_prompt(f"{number}?") for number in range(MOST + 2)]
    for prompt in prompts:
        add_ranking(prompt, manager, [1, 2, 3, 4], is_gold=True)
    for prompt in prompts[: MOST - 1]:
        assert choose(prompt, project)
    jobs = [lambda prompt=prompt: choose(prompt, project) for prompt in prompts[MOST - 1 :]]
    assert in_parallel(*jobs) == []
    assert project.practice_prompts.count() == MOST
    url = f"{URL}prompts/"
    client = sign_in(manager)
    left = Prompt.objects.filter(practice=None)[0]
    page = client.post(url, {"add": left.pk}, follow=True).content.decode()
    assert f"At most {MOST} prompts." in page


# Marking


@given(st.lists(st.integers(1, 5), min_size=4, max_size=9), st.data())
def test_marks_count_the_comparisons_that_training_would(
    expected: list[int], data: st.DataObject
) -> None:
    given_ranks = data.draw(
        st.lists(st.integers(1, 5), min_size=len(expected), max_size=len(expected))
    )
    letters = "ABCDEFGHI"[: len(expected)]
    by_letter = (dict(zip(letters, ranks, strict=True)) for ranks in (expected, given_ranks))
    marks = mark(*by_letter)
    pairs = {tuple(pair[:2]) for pair in comparisons(expected)}
    agreeing = {(i, j) for i, j in pairs if given_ranks[i] < given_ranks[j]}
    assert (marks.compared, marks.agreeing) == (len(pairs), len(agreeing))


def test_every_ranking_of_four_has_marks_between_none_and_all() -> None:
    expected = dict(zip("ABCD", (1, 2, 3, 4), strict=True))
    for order in permutations((1, 2, 3, 4)):
        marks = mark(expected, dict(zip("ABCD", order, strict=True)))
        inversions = sum(order[i] > order[j] for i, j in product(range(4), repeat=2) if i < j)
        assert len(marks.wrong) == inversions
    assert mark(expected, dict.fromkeys("ABCD", 1)).agreeing == 0
