"""The page of a labeller, and what managers do there."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labelapp.models import AgreementMeasurement, Member, Origin, Project, Prompt, Ranking
from labelapp.people import exclusions
from labelapp.people.over_time import by_week, share
from labelapp.quality.coefficients import measure
from labelapp.quality.disagreements import Recorder
from labelapp.quality.rankings import rankings_by_prompt
from tests.conftest import AddPrompt, AddRanking, sign_in

NOW = timezone.now()
PEOPLE = "/projects/kitchen/people/"
TASK = "/projects/kitchen/labelling/"


def url(person: Member, rest: str = "") -> str:
    return f"{PEOPLE}{person.pk}/{rest}"


def page(viewer: Member, person: Member, query: str = "") -> str:
    response = sign_in(viewer).get(url(person, query))
    assert response.status_code == 200
    return response.content.decode()


def measured(project: Project) -> None:
    with Recorder(project) as recorder:
        result = measure(recorder.record(rankings_by_prompt(project, with_excluded=True)))
        recorder.store()
    now = timezone.now()
    AgreementMeasurement.objects.create(
        project=project, state="done", started_at=now, finished_at=now, result=result.to_json()
    )


@pytest.fixture
def prompts(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, labeller: Member
) -> list[Prompt]:
    """Six prompts that ann and a labeller rank; the labeller contradicts ann on the third."""
    prompts = [add_prompt(f"Prompt {number}?") for number in range(6)]
    for number, prompt in enumerate(prompts):
        add_ranking(prompt, ann, (1, 2, 3, 4))
        ranks = (4, 3, 2, 1) if number == 2 else (1, 2, 3, 4)
        add_ranking(prompt, labeller, ranks, seconds=10.0 + number)
    return prompts


@pytest.mark.parametrize("role", ["manager", "reviewer"])
def test_the_page_has_the_figures_and_the_most_disputed_ranking_first(
    role: str, request: Any, project: Project, prompts: list[Prompt], labeller: Member
) -> None:
    measured(project)
    found = page(request.getfixturevalue(role), labeller)
    assert "Agrees with others" in found
    assert found.index("Prompt 2?") < found.index("Prompt 0?")
    assert "6 of 6" in found
    assert f'/projects/kitchen/disagreements/{prompts[2].pk}/"' in found


@pytest.mark.parametrize(("order", "first"), [("newest", 5), ("fastest", 0), ("", 2)])
def test_rankings_have_several_orders(
    order: str, first: int, project: Project, prompts: list[Prompt], labeller: Member,
    manager: Member,
) -> None:  # fmt: skip
    measured(project)
    found = page(manager, labeller, f"?sort={order}")
    others = [n for n in range(6) if n != first]
    assert all(found.index(f"Prompt {first}?") < found.index(f"Prompt {n}?") for n in others)


def test_the_order_with_most_ties(
    add_prompt: AddPrompt, add_ranking: AddRanking, labeller: Member, manager: Member
) -> None:
    add_ranking(add_prompt("Apart?"), labeller, (1, 2, 3, 4))
    add_ranking(add_prompt("Tied?"), labeller, (1, 1, 1, 1))
    found = page(manager, labeller, "?sort=ties")
    assert found.index("Tied?") < found.index("Apart?")


def test_the_page_of_somebody_without_rankings_says_so(labeller: Member, manager: Member) -> None:
    assert "No rankings yet." in page(manager, labeller)


def test_reviewers_see_neither_notes_nor_what_only_managers_do(
    reviewer: Member, manager: Member, labeller: Member
) -> None:
    sign_in(manager).post(url(labeller, "notes/"), {"note-text": "Talked on Monday."})
    assert "Talked on Monday." in page(manager, labeller)
    found = page(reviewer, labeller)
    assert "Talked on Monday." not in found
    assert "Leave out" not in found


def test_labellers_and_strangers_do_not_see_the_page(
    labeller: Member, outsider: Any, ann: Member, client: Any
) -> None:
    assert sign_in(labeller).get(url(labeller)).status_code == 403
    assert sign_in(outsider).get(url(ann)).status_code == 404
    assert client.get(url(ann)).status_code == 302


@pytest.mark.parametrize(
    "action", ["leave-out/", "count-again/", "ask-again/", "ask-again/undo/", "notes/", "messages/"]
)
def test_only_managers_act_and_only_by_post(
    action: str, reviewer: Member, manager: Member, ann: Member
) -> None:
    assert sign_in(reviewer).post(url(ann, action)).status_code == 403
    assert sign_in(manager).get(url(ann, action)).status_code == 405


def test_nobody_of_another_project_is_found(manager: Member) -> None:
    other = Project.objects.create(name="Garden", slug="garden")
    stranger = Member.objects.create(project=other, name="eve")
    assert sign_in(manager).get(url(stranger)).status_code == 404
    assert sign_in(manager).post(url(stranger, "leave-out/")).status_code == 404


def test_the_page_makes_as_many_queries_for_many_rankings(
    project: Project, prompts: list[Prompt], labeller: Member, manager: Member,
    add_prompt: AddPrompt, add_ranking: AddRanking, django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    for number in range(20):
        add_ranking(add_prompt(f"More {number}?"), labeller, (1, 2, 3, 4))
    measured(project)
    client = sign_in(manager)
    with django_assert_max_num_queries(25):
        client.get(url(labeller))


# ---- leaving out ----


def test_a_manager_leaves_somebody_out_and_counts_them_again(
    project: Project, prompts: list[Prompt], labeller: Member, manager: Member
) -> None:
    measured(project)
    client = sign_in(manager)
    response = client.post(
        url(labeller, "leave-out/"), {"which": "all", "reason": "Clicks through."}, follow=True
    )
    found = response.content.decode()
    assert "All rankings are left out" in found
    assert "“Clicks through.”" in found
    assert found.count("left out</span>") == 6
    assert Ranking.objects.counting().filter(member=labeller).count() == 0
    assert project.measurements.active().count() == 1  # agreement is measured again
    response = client.post(url(labeller, "count-again/"), follow=True)
    assert "rankings count again" in response.content.decode()
    assert Ranking.objects.counting().filter(member=labeller).count() == 6
    assert "counted the rankings again" in response.content.decode()


def test_the_first_day_that_is_left_out_is_the_day_that_was_entered(
    prompts: list[Prompt], labeller: Member, manager: Member
) -> None:
    today = timezone.localdate()
    labeller.rankings.filter(prompt=prompts[0]).update(created_at=NOW - timedelta(days=1))
    values = {"which": "since", "since": today.isoformat(), "reason": "?"}
    found = sign_in(manager).post(url(labeller, "leave-out/"), values, follow=True)
    assert "Rankings since" in found.content.decode()
    assert Ranking.objects.counting().get(member=labeller).prompt == prompts[0]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"which": "all"}, "Give a reason"),
        ({"which": "since", "reason": "?"}, "Enter the first day"),
        ({"which": "since", "since": "soon", "reason": "?"}, "Enter a day."),
        ({"reason": "?"}, "This field is required."),
    ],
)
def test_what_is_missing_is_asked_for(
    values: dict[str, str], problem: str, ann: Member, manager: Member
) -> None:
    response = sign_in(manager).post(url(ann, "leave-out/"), values)
    assert response.status_code == 422
    assert problem in response.content.decode()
    assert not ann.exclusions.exists()


def test_somebody_who_was_left_out_meanwhile_stays_so(ann: Member, manager: Member) -> None:
    assert manager.user is not None
    exclusions.exclude(member=ann, by=manager.user, reason="First.")
    values = {"which": "all", "reason": "Second."}
    found = sign_in(manager).post(url(ann, "leave-out/"), values, follow=True).content.decode()
    assert "left out already" in found
    exclusions.end(member=ann, by=manager.user)
    found = sign_in(manager).post(url(ann, "count-again/"), follow=True).content.decode()
    assert "count already" in found


def test_the_page_says_that_agreement_is_being_measured(
    project: Project, prompts: list[Prompt], labeller: Member, manager: Member
) -> None:
    assert "Not measured yet." in page(manager, labeller)
    AgreementMeasurement.objects.create(project=project, state="queued")
    assert "Agreement is being measured." in page(manager, labeller)


def test_alerts_are_suggested_as_the_reason_to_leave_somebody_out(
    project: Project, prompts: list[Prompt], labeller: Member, manager: Member
) -> None:
    measured(project)
    quiet = page(manager, labeller)
    assert "Not checked yet." in quiet
    assert "“Agrees with others” has 6 of 20;" in quiet
    stored = project.measurements.get()
    assert labeller.pk == stored.result["people"][1]["member"]
    said = {"kind": "chance", "badge": "near chance", "text": "Agrees in 54 % of 80 comparisons."}
    stored.result["people"][1]["alarms"] = [said]
    stored.save()
    found = page(manager, labeller)
    assert "Not checked yet." not in found
    form = found.split('id="leave-out"')[1]
    assert re.search(r"<textarea[^>]*>\s*Agrees in 54 % of 80 comparisons.</textarea>", form)


def test_figures_from_before_are_kept_while_somebody_is_left_out(
    project: Project, prompts: list[Prompt], labeller: Member, manager: Member
) -> None:
    measured(project)
    assert manager.user is not None
    exclusions.exclude(member=labeller, by=manager.user, reason="?")
    measured(project)
    assert "Figures when they were left out" in page(manager, labeller)


def test_the_export_page_says_who_is_left_out(ann: Member, manager: Member) -> None:
    export = "/projects/kitchen/export/"
    assert "Include rankings that are left out" not in sign_in(manager).get(export).content.decode()
    assert manager.user is not None
    exclusions.exclude(member=ann, by=manager.user, reason="?")
    found = sign_in(manager).get(export).content.decode()
    assert f'<a href="{url(ann)}"><bdi>ann</bdi></a> (all rankings)' in found
    assert "Include rankings that are left out" in found


# ---- asking again ----


def test_selected_rankings_are_asked_for_again_and_that_is_undone(
    project: Project, prompts: list[Prompt], labeller: Member, manager: Member
) -> None:
    Prompt.objects.update(rankings_wanted=1, rankings_needed=0)
    client = sign_in(manager)
    chosen = [prompts[0].pk, prompts[3].pk]
    response = client.post(url(labeller, "ask-again/"), {"prompt": chosen}, follow=True)
    assert "2 prompts will be ranked once more" in response.content.decode()
    assert set(Prompt.objects.waiting().values_list("pk", flat=True)) == set(chosen)
    token = response.context["asked_token"]
    response = client.post(url(labeller, "ask-again/undo/"), {"asked": token}, follow=True)
    assert "2 prompts will not be ranked once more" in response.content.decode()
    assert not Prompt.objects.waiting().exists()


def test_all_rankings_of_somebody_are_asked_for_again(
    project: Project, prompts: list[Prompt], add_prompt: AddPrompt, labeller: Member,
    manager: Member,
) -> None:  # fmt: skip
    Prompt.objects.update(rankings_wanted=1, rankings_needed=0)
    add_prompt("Not theirs?", wanted=0)
    client = sign_in(manager)
    response = client.post(url(labeller, "ask-again/"), {"all": "1"}, follow=True)
    assert Prompt.objects.waiting().count() == 6
    client.post(url(labeller, "ask-again/undo/"), {"asked": response.context["asked_token"]})
    assert Prompt.objects.waiting().count() == 0


def test_nothing_selected_and_a_forged_undo_change_nothing(
    prompts: list[Prompt], labeller: Member, manager: Member
) -> None:
    client = sign_in(manager)
    found = client.post(url(labeller, "ask-again/"), follow=True).content.decode()
    assert "Select at least one ranking." in found
    before = set(Prompt.objects.values_list("pk", "rankings_wanted"))
    found = client.post(url(labeller, "ask-again/undo/"), {"asked": "x"}, follow=True)
    assert "can no longer be undone" in found.content.decode()
    assert set(Prompt.objects.values_list("pk", "rankings_wanted")) == before
    assert "ranked once more" not in page(manager, labeller, "?asked=forged")


# ---- notes and messages ----


def test_a_note_is_kept_until_it_is_deleted(labeller: Member, manager: Member) -> None:
    client = sign_in(manager)
    assert client.post(url(labeller, "notes/"), {"note-text": " "}).status_code == 422
    found = client.post(url(labeller, "notes/"), {"note-text": "Is new."}, follow=True)
    assert "Is new." in found.content.decode()
    client.post(url(labeller, f"notes/{labeller.notes.get().pk}/delete/"))
    assert not labeller.notes.exists()


def test_a_labeller_reads_a_message_with_their_task_until_they_dismiss_it(
    add_prompt: AddPrompt, labeller: Member, reviewer: Member, manager: Member
) -> None:
    add_prompt()
    boss, own = sign_in(manager), sign_in(labeller)
    assert boss.post(url(labeller, "messages/"), {"message-text": ""}).status_code == 422
    boss.post(url(labeller, "messages/"), {"message-text": "Please read <all> responses."})
    assert "Please read &lt;all&gt; responses." in own.get(TASK).content.decode()
    assert "Please read" not in sign_in(reviewer).get(TASK).content.decode()
    sent = labeller.messages.get()
    dismiss = f"{TASK}messages/{sent.pk}/dismiss/"
    assert sign_in(reviewer).post(dismiss).status_code == 404
    assert own.post(dismiss).status_code == 302
    assert "Please read" not in own.get(TASK).content.decode()
    assert "read on" in page(manager, labeller)


def test_a_message_that_is_withdrawn_is_not_shown(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt()
    boss = sign_in(manager)
    boss.post(url(labeller, "messages/"), {"message-text": "A mistake."})
    boss.post(url(labeller, f"messages/{labeller.messages.get().pk}/withdraw/"))
    labeller.refresh_from_db()
    assert not labeller.has_messages
    assert "A mistake." not in sign_in(labeller).get(TASK).content.decode()


# ---- gold and repeated prompts ----


def test_gold_and_repeated_prompts_have_their_results(
    prompts: list[Prompt], ann: Member, labeller: Member, manager: Member, add_ranking: AddRanking
) -> None:
    ann.rankings.filter(prompt=prompts[2]).update(is_gold=True)
    again: dict[str, Any] = {"origin": Origin.REPEATED, "is_current": False, "version": 2}
    add_ranking(prompts[0], labeller, (1, 2, 4, 3), **again)
    found = page(manager, labeller)
    assert "Agrees with the gold rankings in 0 of 6 comparisons on 1 prompt" in found
    assert "Agrees with their own earlier rankings in 5 of 6 comparisons on 1 prompt" in found


# ---- figures by week ----


def test_weeks_have_the_agreement_time_and_pace_of_their_rankings(
    project: Project, prompts: list[Prompt], labeller: Member
) -> None:
    earlier = NOW - timedelta(weeks=1)
    labeller.rankings.filter(prompt__in=prompts[:3]).update(created_at=earlier)
    for prompt in prompts[:3]:
        labeller.assignments.create(
            prompt=prompt, order=[], submitted_at=earlier, expires_at=earlier
        )
    measured(project)
    *_, before, now = by_week(labeller)
    assert (now.agreement, now.comparisons, now.median_seconds) == (1.0, 18, 14.0)
    assert before.agreement == pytest.approx(2 / 3)
    assert (before.median_seconds, before.rankings, before.days) == (11.0, 3, 1)


def test_the_interval_of_a_week_is_that_of_a_ratio() -> None:
    # Five rankings with 6 comparisons each, of which 0, 0, 0, 3 and 6 are against.
    value, low, high, whole = share(5, 30, 9, 180, 45, 54)
    assert (value, whole) == (0.7, 30)
    # Residuals from 0.3 · 6 = 1.8: 3 · 3.24 + 1.44 + 17.64 = 28.8, times 5/4, its root over 30.
    assert low == pytest.approx(0.7 - 1.96 * 0.2)
    assert high == 1.0
    assert share(4, 24, 6, 144, 36, 36)[1:3] == (None, None)
