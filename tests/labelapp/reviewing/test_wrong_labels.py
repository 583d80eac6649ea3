"""A manager returns a wrong ranking to its labeller from the pages that show it."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Member, Prompt, Ranking, RankingReturn, TrainingRun
from labelapp.people import exclusions
from labelapp.projects import members
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.labelling.acting import submit
from tests.labelapp.labelling.test_returning import shown
from tests.labelapp.reviewing.scored import URL, score_in_order

BUTTON = "Label is wrong<"


@pytest.fixture
def prompt(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    labeller: Member,
    ann: Member,
    manager: Member,
    run: TrainingRun,
    tmp_path: Path,
) -> Prompt:
    """A prompt that a labeller ranked here; another ranking is imported, and one adjudicated."""
    prompt = add_prompt(wanted=2)
    submit(assignment=shown(labeller), entered=RankingInput({"A": 1, "B": 2, "C": 3, "D": 4}))
    add_ranking(prompt, ann, [4, 3, 2, 1], origin="imported")
    add_ranking(prompt, manager, [1, 2, 2, 3], origin="adjudicated")
    score_in_order(run, tmp_path, prompt, 1.0, 3.0, 1.0, 0.0)
    return prompt


def page_of(member: Member, address: str) -> str:
    answer = sign_in(member).get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, page: str, action: str) -> Any:
    """Send the form of a page whose address ends with `action`, as a browser does."""
    [(address, fields)] = re.findall(
        rf'<form[^>]*action="([^"]+{action})"[^>]*>(.*?)</form>', page, re.DOTALL
    )
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', fields)
    data = {name: value.replace("&amp;", "&") for name, value in hidden}
    return client.post(address, data)


@pytest.mark.parametrize(
    "address",
    [
        "reviewing/{prompt}/?run={run}&held_out=0&sort=share",
        "disagreements/{prompt}/?show=adjudicated",
    ],
)
def test_a_manager_returns_one_ranking_and_stays_on_the_page(
    address: str, prompt: Prompt, run: TrainingRun, manager: Member, labeller: Member
) -> None:
    address = "/projects/kitchen/" + address.format(prompt=prompt.pk, run=run.pk)
    client = sign_in(manager)
    page = client.get(address).content.decode()
    assert page.count(BUTTON) == 1  # not beside the imported one, and not beside the decision
    answer = press(client, page, "/return/")
    made = RankingReturn.objects.get()
    assert made.member == labeller
    assert answer.headers["Location"] == f"{address}&returned={made.pk}"
    page = client.get(answer.headers["Location"]).content.decode()
    assert "1 ranking returned to labeller." in page
    assert BUTTON not in page
    assert not labeller.rankings.filter(is_current=True).exists()
    answer = press(client, page, "/undo/")
    assert answer.headers["Location"] == address
    page = client.get(answer.headers["Location"]).content.decode()
    assert "Undone: 1 ranking counts again." in page
    assert "/undo/" not in page
    assert page.count(BUTTON) == 1


def test_only_a_manager_can_return_a_ranking(
    prompt: Prompt, manager: Member, reviewer: Member, labeller: Member
) -> None:
    address = f"{URL}{prompt.pk}/"
    assert "Label is wrong" not in page_of(reviewer, address)
    press(sign_in(manager), page_of(manager, address), "/return/")
    made = RankingReturn.objects.get()
    assert "/undo/" in page_of(manager, f"{address}?returned={made.pk}")
    assert "/undo/" not in page_of(reviewer, f"{address}?returned={made.pk}")


@pytest.mark.parametrize("number", ["x", "0", "9" * 30])
def test_an_unknown_return_is_not_offered_for_undo(
    number: str, prompt: Prompt, manager: Member
) -> None:
    assert "/undo/" not in page_of(manager, f"{URL}{prompt.pk}/?returned={number}")


@pytest.mark.parametrize("reason", ["gold", "control", "left", "left out"])
def test_what_cannot_be_returned_has_no_button(
    reason: str, prompt: Prompt, manager: Member, labeller: Member
) -> None:
    if reason == "gold":
        Ranking.objects.filter(member=labeller).update(is_gold=True)
    elif reason == "control":
        labeller.assignments.update(slot=None, gold=True)
    elif reason == "left":
        members.remove(member=labeller)
    elif manager.user:
        exclusions.exclude(member=labeller, by=manager.user, reason="Guesses.")
    for address in (f"{URL}{prompt.pk}/", f"/projects/kitchen/disagreements/{prompt.pk}/"):
        assert "Label is wrong" not in page_of(manager, address)


def test_a_labeller_who_left_meanwhile_is_named_on_the_page_that_asked(
    prompt: Prompt, manager: Member, labeller: Member
) -> None:
    client = sign_in(manager)
    address = f"{URL}{prompt.pk}/"
    page = client.get(address).content.decode()
    assert manager.user
    exclusions.exclude(member=labeller, by=manager.user, reason="Guesses.")
    answer = press(client, page, "/return/")
    assert answer.headers["Location"].startswith(address)
    shown_next = client.get(answer.headers["Location"]).content.decode()
    assert "labeller cannot rank now." in shown_next
