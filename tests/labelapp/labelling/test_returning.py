"""Rankings that a manager returns to their labeller."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labelapp.labelling import assignments, queue, returning
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import (
    AgreementMeasurement,
    Assignment,
    Event,
    Member,
    Notification,
    Project,
    Prompt,
    Ranking,
    RankingReturn,
    ReviewMeasurement,
    Role,
    State,
    TrainingRun,
)
from labelapp.notifications.wording import sentence
from labelapp.people import exclusions
from labelapp.projects import members
from labelapp.quality import measurement as quality_measurement
from labelapp.reviewing import measurement as review_measurement
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import submit

ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}
DCBA = {"A": 4, "B": 3, "C": 2, "D": 1}


def shown(member: Member) -> Assignment:
    assignment = assignments.current_assignment(member)
    assert assignment is not None
    return assignment


def give_back(manager: Member, member: Member, *prompts: Prompt) -> int:
    """Return rankings, and return how many there were."""
    assert manager.user
    some = Prompt.objects.filter(pk__in=[prompt.pk for prompt in prompts])
    returned = returning.return_rankings(member=member, prompts=some, by=manager.user)
    return len(returned.rows) if returned else 0


def undo_url(page: str) -> str:
    """Return the address of the form that undoes a return."""
    return re.findall(r'action="([^"]+/undo/)"', page)[0]


def undo() -> int:
    return returning.undo(RankingReturn.objects.get())


def current(prompt: Prompt) -> list[int]:
    return list(prompt.rankings.filter(is_current=True).values_list("version", flat=True))


def test_a_returned_ranking_is_in_front_of_its_labeller_as_they_left_it(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    first, second = add_prompt("One?"), add_prompt("Two?")
    submit(assignment=shown(labeller), entered=RankingInput(ABCD, note="Hm."))
    begun = shown(labeller)
    assert begun.prompt == second
    assert give_back(manager, labeller, first) == 1
    assert current(first) == []
    labeller.refresh_from_db()
    assert labeller.ranked == 0
    returned = shown(labeller)
    assert returned.prompt == first
    assert RankingInput.from_json(returned.draft) == RankingInput(ABCD, note="Hm.")
    submit(assignment=returned, entered=RankingInput(DCBA))
    assert current(first) == [2]
    assert not Ranking.objects.filter(is_current=True, surplus=True).exists()
    assert shown(labeller).prompt == second
    first.refresh_from_db()
    assert (first.rankings_wanted, first.rankings_needed) == (1, 0)


def test_it_is_kept_for_a_labeller_who_is_away(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt("One?")
    other = join(manager.project, "other", Role.LABELLER)
    submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    give_back(manager, labeller, prompt)
    assert not queue.has_prompt(other)
    left = Assignment.objects.get().expires_at - timezone.now()
    assert left > returning.HELD_FOR - timedelta(minutes=1)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert shown(other).prompt == prompt


def test_the_labeller_is_told(manager: Member, labeller: Member, add_prompt: AddPrompt) -> None:
    prompts = [add_prompt("One?"), add_prompt("Two?")]
    for _ in prompts:
        submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    assert give_back(manager, labeller, *prompts) == 2
    told = Notification.objects.get()
    assert (told.user, told.event) == (labeller.user, Event.TASK_RETURNED)
    assert sentence(told) == "2 of your rankings were returned: rank the prompts again."
    assert told.path == "/projects/kitchen/labelling/"
    assert give_back(manager, labeller, *prompts) == 0  # they have them already
    assert Notification.objects.count() == 1


def test_what_measures_people_and_what_was_imported_is_not_returned(
    manager: Member, labeller: Member, ann: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    gold, control, imported = (add_prompt(text) for text in ("One?", "Two?", "Three?"))
    for _ in range(2):
        submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    add_ranking(imported, labeller, (1, 2, 3, 4))
    Ranking.objects.filter(prompt=gold).update(is_gold=True)
    Assignment.objects.filter(prompt=control).update(slot=None, gold=True)
    assert give_back(manager, labeller, gold, control, imported) == 0
    assert Ranking.objects.filter(is_current=True).count() == 3
    assert not Notification.objects.exists()


def test_nothing_is_returned_to_somebody_who_cannot_rank(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt("One?")
    submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    assert manager.user
    exclusions.exclude(member=labeller, by=manager.user, reason="Guesses.")
    with pytest.raises(returning.CannotReturnError):
        give_back(manager, labeller, prompt)
    exclusions.end(member=labeller, by=manager.user)
    members.remove(member=labeller)
    with pytest.raises(returning.CannotReturnError):
        give_back(manager, labeller, prompt)
    assert current(prompt) == [1]


def test_a_return_is_undone(manager: Member, labeller: Member, add_prompt: AddPrompt) -> None:
    prompt = add_prompt("One?")
    submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    before = Assignment.objects.values().get()
    give_back(manager, labeller, prompt)
    assert undo() == 1
    assert current(prompt) == [1]
    changing = {"shown_at": None, "expires_at": None}
    assert Assignment.objects.values().get() | changing == before | changing
    labeller.refresh_from_db()
    assert (labeller.ranked, labeller.ranked_that_day) == (1, 1)
    assert not Notification.objects.exists()
    assert assignments.current_assignment(labeller) is None
    with pytest.raises(returning.RankedMeanwhileError):
        undo()


def test_what_the_labeller_has_ranked_again_stays(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    first, second = add_prompt("One?"), add_prompt("Two?")
    for _ in range(2):
        submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    give_back(manager, labeller, first, second)
    again = shown(labeller)
    submit(assignment=again, entered=RankingInput(DCBA))
    assert undo() == 1
    assert [current(prompt) for prompt in (first, second)].count([2]) == 1
    assert current(again.prompt) == [2]
    RankingReturn.objects.all().delete()
    give_back(manager, labeller, first)
    submit(assignment=shown(labeller), entered=RankingInput(DCBA))
    with pytest.raises(returning.RankedMeanwhileError):
        undo()


def test_a_restored_ranking_whose_slot_somebody_else_has_is_surplus(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt("One?")
    other = join(manager.project, "other", Role.LABELLER)
    submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    give_back(manager, labeller, prompt)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert shown(other).prompt == prompt
    assert undo() == 1
    assert Ranking.objects.get(is_current=True).surplus


def test_a_return_and_its_undo_make_measurements_stale(
    manager: Member, labeller: Member, add_prompt: AddPrompt
) -> None:
    prompt, project = add_prompt("One?"), manager.project
    submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    run = TrainingRun.objects.create(project=project)

    def measured_now() -> tuple[AgreementMeasurement, ReviewMeasurement]:
        done: dict[str, Any] = {
            "state": State.DONE,
            "started_at": timezone.now(),
            "finished_at": timezone.now(),
        }
        return (
            AgreementMeasurement.objects.create(project=project, **done),
            ReviewMeasurement.objects.create(project=project, run=run, **done),
        )

    def stale(agreement: AgreementMeasurement, review: ReviewMeasurement) -> tuple[bool, bool]:
        return (
            quality_measurement.changed_since(agreement),
            review_measurement.changed_since(run, review),
        )

    before = measured_now()
    assert stale(*before) == (False, False)
    give_back(manager, labeller, prompt)
    assert stale(*before) == (True, True)
    between = measured_now()
    assert stale(*between) == (False, False)
    undo()
    assert stale(*between) == (True, True)


def test_managers_return_the_selected_rankings_on_the_labellers_page(
    manager: Member, reviewer: Member, labeller: Member, project: Project, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt("One?")
    submit(assignment=shown(labeller), entered=RankingInput(ABCD))
    url = f"/projects/kitchen/people/{labeller.pk}/"
    client = sign_in(manager)
    assert "Return the selected to labeller" in client.get(url).content.decode()
    assert sign_in(reviewer).post(f"{url}return/", {"prompt": prompt.pk}).status_code == 403
    page = client.post(f"{url}return/", follow=True).content.decode()
    assert "Select at least one ranking." in page
    page = client.post(f"{url}return/", {"prompt": prompt.pk}, follow=True).content.decode()
    assert "1 ranking returned to labeller." in page
    assert current(prompt) == []
    assert sign_in(reviewer).post(undo_url(page)).status_code == 403
    undone = client.post(undo_url(page), follow=True).content.decode()
    assert "Undone: 1 ranking counts again." in undone
    assert "/undo/" not in undone
    assert current(prompt) == [1]
    assert (
        "has already ranked or skipped" in client.post(undo_url(page), follow=True).content.decode()
    )
    client.post(f"{url}return/", {"prompt": prompt.pk})
    members.remove(member=labeller)
    assert "Return the selected" not in client.get(url).content.decode()
    page = client.post(f"{url}return/", {"prompt": prompt.pk}, follow=True).content.decode()
    assert "Select at least one ranking." in page
