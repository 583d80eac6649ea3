"""My work: one's own rankings and skips, and nobody else's."""

import re
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labelapp.labelling import assignments
from labelapp.labelling.own_work import write_order
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Ranking, User
from tests.conftest import AddPrompt, sign_in
from tests.labelapp.labelling.acting import skip, submit
from training.rankings import UNRANKED

URL = "/projects/kitchen/my-work/"
ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}


def ranked(member: Member) -> Assignment:
    assignment = assignments.current_assignment(member)
    assert assignment is not None
    submit(assignment=assignment, entered=RankingInput(ABCD, note="hard"))
    return assignment


def test_it_lists_what_one_has_ranked(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt("Why is it <b>blue</b>?")
    done = ranked(labeller)
    page = sign_in(labeller).get(URL).content.decode()
    assert "Why is it &lt;b&gt;blue&lt;/b&gt;?" in page
    assert f"{URL}{done.token}/" in page


def test_it_lists_what_one_has_skipped_and_why(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    skip(assignment=assignment, reason="broken", note="ends half way")
    assert "You have ranked nothing here yet." in sign_in(labeller).get(URL).content.decode()
    page = sign_in(labeller).get(URL, {"skipped": "1"}).content.decode()
    assert "The prompt or its responses are broken" in page
    assert "ends half way" in page


def test_a_ranking_opens_as_it_was_entered(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    done = ranked(labeller)
    page = sign_in(labeller).get(f"{URL}{done.token}/").content.decode()
    chosen = [tag for tag in page.split("<input") if "checked" in tag.split(">")[0]]
    assert len(chosen) == 4
    assert ">hard</textarea>" in page
    assert "Save changes" in page
    assert "model-" not in page


def test_others_work_is_not_there(
    add_prompt: AddPrompt, labeller: Member, manager: Member, outsider: User
) -> None:
    add_prompt()
    done = ranked(labeller)
    assert "Why is the sky blue?" not in sign_in(manager).get(URL).content.decode()
    for client, status in ((sign_in(manager), 404), (sign_in(outsider), 404), (Client(), 302)):
        assert client.get(f"{URL}{done.token}/").status_code == status
    assert sign_in(outsider).get(URL).status_code == 404
    assert sign_in(labeller).get(f"{URL}{uuid.uuid4()}/").status_code == 404
    assert sign_in(labeller).post(URL).status_code == 405
    assert sign_in(labeller).post(f"{URL}{done.token}/").status_code == 405


@pytest.mark.parametrize("count", [1, 30])
def test_the_list_makes_the_same_queries_whatever_it_holds(
    add_prompt: AddPrompt, labeller: Member, count: int
) -> None:
    for i in range(count):
        add_prompt(f"{i}?")
        ranked(labeller)
    client = sign_in(labeller)
    with CaptureQueriesContext(connection) as queries:
        client.get(URL)
    assert len([q for q in queries if q["sql"].startswith("SELECT")]) == 7


def test_the_texts_of_ones_own_task_come_as_they_were_written(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    exact = ["*a*\r\n", " b ", "c\u200b", "<d>"]
    add_prompt("**Why**?", exact)
    task = assignments.current_assignment(labeller)
    assert task is not None
    answer = sign_in(labeller).get(f"{URL}{task.token}/texts/")
    texts = answer.json()
    assert texts.pop("message-1") == "**Why**?"
    assert sorted(texts) == ["A", "B", "C", "D"]
    assert [texts[letter] for letter in "ABCD"] == [response.text for response in task.shown]
    assert "no-store" in answer["Cache-Control"]


def test_the_texts_of_a_task_are_nobody_elses(
    add_prompt: AddPrompt, labeller: Member, reviewer: Member, outsider: User
) -> None:
    add_prompt()
    task = assignments.current_assignment(labeller)
    assert task is not None
    for person in (reviewer, outsider):
        assert sign_in(person).get(f"{URL}{task.token}/texts/").status_code == 404
    assert Client().get(f"{URL}{task.token}/texts/").status_code == 302
    assert sign_in(labeller).get(f"{URL}{uuid.uuid4()}/texts/").status_code == 404
    assert sign_in(labeller).post(f"{URL}{task.token}/texts/").status_code == 405


def test_each_row_shows_the_order_and_the_note(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt("First?")
    add_prompt("Second?")
    for ranks in ({"A": 2, "B": 1, "C": 2, "D": 3}, {"A": 1, "B": 1, "C": 1, "D": 1}):
        assignment = assignments.current_assignment(labeller)
        assert assignment is not None
        submit(assignment=assignment, entered=RankingInput(ranks, note=f"note {ranks['B']}"))
    page = sign_in(labeller).get(URL).content.decode()
    assert ">B &gt; A = C &gt; D</p>" in page
    assert ">A = B = C = D</p>" in page
    assert "note 1" in page


def test_unranked_responses_stand_in_brackets() -> None:
    letters = {"A": 1, "B": 2, "C": 3, "D": 4}
    assert write_order(letters, {1: UNRANKED, 2: 1, 3: 2, 4: UNRANKED}) == "B > C > (A, D)"


def test_ones_own_work_is_searched(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    for text in ("Blue cheese?", "Green tea?"):
        add_prompt(text, external_id=f"gpt-{text[:4]}", wanted=2)
        ranked(labeller)
    client = sign_in(labeller)

    def found(text: str, **query: str) -> list[str]:
        page = client.get(URL, {"q": text} | query).content.decode()
        return [one for one in ("Blue cheese?", "Green tea?") if f">{one}</a>" in page]

    assert found("CHEESE") == ["Blue cheese?"]
    assert found("hard") == ["Blue cheese?", "Green tea?"]
    assert found("gpt-") == []  # ids may tell what labellers are not to know
    assert found("Scattering") == []
    assert found("cheese", skipped="1") == []
    page = client.get(URL, {"q": "<b>"}).content.decode()
    assert "Nothing here matches “&lt;b&gt;”." in page
    assert "cheese" not in sign_in(manager).get(URL, {"q": "cheese"}).content.decode().replace(
        'value="cheese"', ""
    ).replace("“cheese”", "").replace("q=cheese", "")


def test_what_has_a_note_is_listed_alone(add_prompt: AddPrompt, labeller: Member) -> None:
    for text in ("Blue cheese?", "Green tea?", "Old bread?", "New wine?"):
        add_prompt(text)
    for note in ("hard", ""):
        assignment = assignments.current_assignment(labeller)
        assert assignment is not None
        submit(assignment=assignment, entered=RankingInput(ABCD, note=note))
    for note in ("ends half way", ""):
        assignment = assignments.current_assignment(labeller)
        assert assignment is not None
        skip(assignment=assignment, reason="broken", note=note)
    client = sign_in(labeller)

    def found(**query: str) -> list[str]:
        page = client.get(URL, query).content.decode()
        return re.findall(r">((?:Blue|Green|Old|New) \w+\?)</a>", page)

    assert found() == ["Green tea?", "Blue cheese?"]
    assert found(noted="1") == ["Blue cheese?"]
    assert found(noted="1", q="tea") == []
    assert found(skipped="1") == ["New wine?", "Old bread?"]
    assert found(skipped="1", noted="1") == ["Old bread?"]
    page = client.get(URL, {"noted": "1", "q": "cheese"}).content.decode()
    for address in ("?noted=1&amp;q=cheese&amp;skipped=1", "?q=cheese", "?noted=1&amp;q=cheese"):
        assert f'href="{address}"' in page
    Ranking.objects.update(note="")
    assert "None of your rankings has a note." in client.get(URL, {"noted": "1"}).content.decode()


def test_the_time_of_a_ranking_is_in_minutes_and_seconds(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    done = ranked(labeller)
    Assignment.objects.filter(pk=done.pk).update(seconds=95.2)
    assert " · 1\u00a0min 35\u00a0s" in sign_in(labeller).get(URL).content.decode()
