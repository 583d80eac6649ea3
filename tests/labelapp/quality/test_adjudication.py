"""Adjudication: what is stored, replaced, withdrawn, and said beside the labellers' rankings."""

import re
import threading

import pytest
from django.db import connection

from labelapp.labelling import assignments, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Member, Origin, Project, Prompt, Role, User
from labelapp.quality.adjudication import AdjudicatedMeanwhileError
from tests.conftest import PASSWORD, AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import submit
from tests.labelapp.quality.disputed import FIRST, SECOND, URL, adjudicated
from tests.waiting import PATIENCE


def fields(html: str) -> dict[str, str]:
    """Return the fields that a browser sends for the unchanged form to adjudicate."""
    form = html[html.index('class="task"') :].partition("</form>")[0]
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    checked = re.findall(r'name="(rank-\w+)" value="(\d)" checked', form)
    return dict(hidden) | dict(checked)


# Adjudicating


def test_the_form_begins_with_what_most_say_and_what_is_sent_is_stored(
    disputed: list[Prompt], bob: Member, reviewer: Member, add_ranking: AddRanking
) -> None:
    add_ranking(disputed[0], join(reviewer.project, "cleo", Role.LABELLER), (4, 3, 1, 2))
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    sent = fields(client.get(page).content.decode())
    assert [sent[f"rank-{letter}"] for letter in "ABCD"] == ["4", "3", "1", "2"]
    before = set(disputed[0].rankings.values_list("pk", "is_current"))
    response = client.post(f"{page}adjudicate/", sent | {"rank-A": "3", "note": "C is right."})
    assert response["Location"] == f"{page}#verdicts"
    ranking = disputed[0].rankings.get(origin=Origin.ADJUDICATED)
    assert (ranking.member, ranking.is_current, ranking.note) == (reviewer, True, "C is right.")
    assert list(ranking.ranks().values()) == [3, 3, 1, 2]
    assert before < set(disputed[0].rankings.values_list("pk", "is_current"))


def test_the_same_form_twice_stores_one_ranking(disputed: list[Prompt], reviewer: Member) -> None:
    client, page = sign_in(reviewer), f"{URL}{disputed[1].pk}/"
    sent = fields(client.get(page).content.decode())
    for _ in range(2):
        assert client.post(f"{page}adjudicate/", sent).status_code == 302
    assert disputed[1].rankings.filter(origin=Origin.ADJUDICATED).count() == 1


def test_an_incomplete_ranking_is_refused_in_words_and_kept(
    disputed: list[Prompt], reviewer: Member
) -> None:
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    sent = fields(client.get(page).content.decode()) | {"rank-A": "", "note": "Wait."}
    response = client.post(f"{page}adjudicate/", sent)
    html = response.content.decode()
    assert response.status_code == 422
    assert "A has no rank yet." in html
    assert "Wait.</textarea>" in html
    assert not disputed[0].rankings.filter(origin=Origin.ADJUDICATED).exists()


def test_where_ties_are_not_allowed_none_is_stored(
    disputed: list[Prompt], reviewer: Member
) -> None:
    Project.objects.update(ties_allowed=False)
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    response = client.post(f"{page}adjudicate/", fields(client.get(page).content.decode()))
    assert response.status_code == 422
    assert "This project allows no ties" in response.content.decode()


def test_a_later_adjudication_replaces_an_earlier_one_which_is_kept(
    disputed: list[Prompt], manager: Member, reviewer: Member
) -> None:
    first = adjudicated(disputed[0], manager, FIRST)
    second = adjudicated(disputed[0], reviewer, SECOND, instead_of=first.pk)
    first.refresh_from_db()
    assert (first.is_current, second.is_current) == (False, True)
    assert list(first.ranks().values()) == [1, 2, 2, 3]
    third = adjudicated(disputed[0], manager, FIRST, instead_of=second.pk)
    assert third.version == 2
    assert adjudicated(disputed[0], manager, FIRST, instead_of=third.pk) == third


def test_who_did_not_see_the_others_adjudication_is_told_and_can_go_on(
    disputed: list[Prompt], manager: Member, reviewer: Member
) -> None:
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    sent = fields(client.get(page).content.decode()) | {"note": "Mine."}
    adjudicated(disputed[0], manager, FIRST)
    response = client.post(f"{page}adjudicate/", sent)
    html = response.content.decode()
    assert response.status_code == 409
    assert "Somebody else has changed the decision" in html
    assert "Mine.</textarea>" in html
    assert client.post(f"{page}adjudicate/", fields(html)).status_code == 302
    assert disputed[0].rankings.get(is_current=True, origin=Origin.ADJUDICATED).member == reviewer


@pytest.mark.django_db(transaction=True)
def test_of_two_who_adjudicate_at_once_one_is_told(
    disputed: list[Prompt], manager: Member, reviewer: Member
) -> None:
    ready = threading.Barrier(2)
    told: list[type[Exception] | None] = []

    def at_once(member: Member, ranks: dict[str, int]) -> None:
        try:
            ready.wait(PATIENCE)
            adjudicated(disputed[0], member, ranks)
            told.append(None)
        except Exception as error:  # noqa: BLE001 - told below
            told.append(type(error))
        finally:
            connection.close()

    pairs = ((manager, FIRST), (reviewer, SECOND))
    threads = [threading.Thread(target=at_once, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, told)) == sorted(map(str, [None, AdjudicatedMeanwhileError]))
    assert disputed[0].rankings.filter(origin=Origin.ADJUDICATED, is_current=True).count() == 1


def test_a_withdrawn_decision_does_not_count_and_can_be_saved_again(
    disputed: list[Prompt], manager: Member, reviewer: Member
) -> None:
    ranking = adjudicated(disputed[0], manager, FIRST)
    client, page = sign_in(reviewer), f"{URL}{disputed[0].pk}/"
    client.post(f"{page}take-back/{ranking.pk}/")
    ranking.refresh_from_db()
    assert not ranking.is_current
    sent = fields(client.get(page).content.decode())
    assert {letter: int(sent[f"rank-{letter}"]) for letter in "ABCD"} == FIRST
    client.post(f"{page}adjudicate/", sent)
    assert disputed[0].rankings.filter(origin=Origin.ADJUDICATED, is_current=True).count() == 1
    again = client.post(f"{page}take-back/{ranking.pk}/", follow=True).content.decode()
    assert "already replaced or withdrawn" in again


def test_a_labellers_ranking_cannot_be_withdrawn(disputed: list[Prompt], manager: Member) -> None:
    own = disputed[0].rankings.get(member__name="bob")
    url = f"{URL}{disputed[0].pk}/take-back/{own.pk}/"
    assert sign_in(manager).post(url).status_code == 404


def test_a_superuser_who_is_no_member_looks_and_does_not_write(
    disputed: list[Prompt],
) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    page = f"{URL}{disputed[0].pk}/"
    html = sign_in(root).get(page).content.decode()
    assert "Only members of the project can adjudicate." in html
    assert html.count('action="/projects/kitchen/join/"') == 2  # to adjudicate, and to comment
    response = sign_in(root).post(f"{page}comment/", {"text": "Hello"})
    assert response.status_code == 403
    assert "Join this project" in response.content.decode()


# Who adjudicates may label as well


def test_who_adjudicated_a_prompt_is_not_given_it_to_label(
    disputed: list[Prompt], manager: Member
) -> None:
    adjudicated(disputed[0], manager, FIRST)
    given = assignments.current_assignment(manager)
    assert given is not None
    assert given.prompt == disputed[1]


def test_what_they_said_as_a_labeller_and_as_adjudicator_stand_beside_each_other(
    manager: Member, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt()
    task = assignments.current_assignment(manager)
    assert task is not None
    own = submit(assignment=task, entered=RankingInput({"A": 1, "B": 2, "C": 3, "D": 4}))
    judged = adjudicated(prompt, manager, FIRST)
    changed = submit(assignment=task, entered=RankingInput({"A": 4, "B": 3, "C": 2, "D": 1}))
    own.refresh_from_db()
    judged.refresh_from_db()
    assert (own.is_current, judged.is_current, changed.is_current) == (False, True, True)
    assert [own.version, judged.version, changed.version] == [1, 2, 3]
    said = submissions.current_input(task)
    assert said is not None
    assert said.ranks == {"A": 4, "B": 3, "C": 2, "D": 1}
