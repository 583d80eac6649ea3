"""Gold and repeated prompts: when they come, what is stored of them, and that nobody can tell."""

import random
import uuid
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.labelling import assignments, controls, submissions
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Origin, Project, Prompt, Ranking, Role
from labelapp.projects import progress, prompt_history, prompt_queue
from labelapp.quality.rankings import rankings_by_prompt
from tests.conftest import AddPrompt, AddRanking, join, sign_in
from tests.labelapp.labelling.acting import ABCD, DCBA, expire, reopen, skip, submit, task
from tests.labelapp.labelling.controlled import days_ago, first_of, needed, rank, share, until
from tests.labelapp.parallel import in_parallel

# When they come


def test_without_shares_a_claim_makes_no_extra_statement_and_draws_nothing(
    ann: Member, add_gold: Callable[..., Prompt], add_prompt: AddPrompt
) -> None:
    add_gold()
    for i in range(6):
        add_prompt(f"{i}?")
    rank(task(ann))
    statements = []
    for gold_share in (0, 1):
        share(ann, gold_share=gold_share)
        random.seed(1)  # whose first number is above one in a hundred
        with CaptureQueriesContext(connection) as queries:
            assert not task(ann).is_control
        statements.append(len(queries))
        rank(task(ann))
    assert statements[0] == statements[1]


def test_the_shares_are_kept(ann: Member, add_gold: Callable[..., Prompt]) -> None:
    for i in range(3):
        add_gold(f"Known {i}?")
    Prompt.objects.filter(pk=Prompt.objects.earliest("pk").pk).update(
        rankings_wanted=1, rankings_needed=1
    )
    share(ann, gold_share=20)
    random.seed(3)
    drawn = sum(controls.draw(ann) is not None for _ in range(300))
    assert 40 < drawn < 80


def test_a_gold_prompt_shows_what_its_ranking_is_of(
    manager: Member, ann: Member, add_prompt: AddPrompt, add_ranking: AddRanking
) -> None:
    prompt = add_prompt(responses=[f"text {i}" for i in range(6)], wanted=0)
    ranking = add_ranking(prompt, manager, (1, 2, 3, 4, 5, 6))
    ranking.placements.filter(rank__gt=4).delete()
    controls.mark_gold(ranking)
    orders = set()
    for _ in range(40):
        given = controls.assign_gold(ann)
        assert given is not None
        orders.add(tuple(given.order))
    assert {frozenset(order) for order in orders} == {frozenset(ranking.ranks())}
    assert len(orders) > 5


def test_nobody_gets_a_gold_prompt_they_had_ranked_or_made(
    manager: Member,
    ann: Member,
    bob: Member,
    add_gold: Callable[..., Prompt],
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
) -> None:
    prompt = add_gold()
    assert controls.assign_gold(manager) is None
    add_ranking(prompt, ann, (4, 3, 2, 1), origin=Origin.IMPORTED)
    assert controls.assign_gold(ann) is None
    add_prompt("Waits?")
    add_prompt("Waits, too?")
    share(bob, gold_share=50)
    skip(assignment=until(bob, "gold"), reason="cannot judge")
    assert controls.assign_gold(bob) is None


def test_a_prompt_taken_out_is_no_control(
    ann: Member, add_gold: Callable[..., Prompt], repeat: Assignment
) -> None:
    Prompt.objects.filter(pk=add_gold().pk).update(taken_out=True)
    assert controls.assign_gold(ann) is None
    repeat.delete()
    assert controls.assign_repeat(ann) is not None
    Prompt.objects.update(taken_out=True)
    assert controls.assign_repeat(ann) is None


def test_controls_do_not_fill_time_when_nothing_waits(
    ann: Member, add_gold: Callable[..., Prompt], add_prompt: AddPrompt
) -> None:
    for i in range(20):
        add_gold(f"Known {i}?")
    share(ann, gold_share=50, repeat_share=50)
    assert all(assignments.current_assignment(ann) is None for _ in range(20))
    prompt = add_prompt("Waits?")
    for _ in range(20):  # in front of what waits they come
        if not (given := task(ann)).is_control:
            break
        rank(given)
    assert given.prompt == prompt
    rank(given)
    assert assignments.current_assignment(ann) is None


def test_a_prompt_comes_again_only_after_the_days_and_only_once(
    ann: Member, add_prompt: AddPrompt
) -> None:
    add_prompt()
    done = task(ann)
    rank(done)
    done.refresh_from_db()
    for days, comes in ((0, False), (6.9, False), (7.1, True)):
        Assignment.objects.update(submitted_at=days_ago(days))
        assert (controls.assign_repeat(ann) is not None) == comes
    again = controls.assign_repeat(ann)
    assert again is not None
    assert sorted(again.order) == sorted(done.order)
    again.expires_at = timezone.now()
    again.save()
    assert controls.assign_repeat(ann) is None


def test_what_was_withdrawn_does_not_come_again(ann: Member, add_prompt: AddPrompt) -> None:
    add_prompt()
    rank(task(ann))
    Assignment.objects.update(submitted_at=days_ago(9))
    reopen(Assignment.objects.get())
    assert controls.assign_repeat(ann) is None


def test_any_of_a_labellers_prompts_may_come_again(ann: Member, add_prompt: AddPrompt) -> None:
    for i in range(8):
        add_prompt(f"{i}?")
        rank(task(ann))
    for days, assignment in enumerate(Assignment.objects.order_by("pk")):
        Assignment.objects.filter(pk=assignment.pk).update(submitted_at=days_ago(20 - days))
    given = {controls.assign_repeat(ann).prompt_id for _ in range(200)}  # type: ignore[union-attr]
    assert given == set(Prompt.objects.values_list("pk", flat=True))


# What is stored


def test_a_ranking_of_a_gold_prompt_counts_beside_those_wanted(
    gold: Assignment, ann: Member
) -> None:
    before = needed()
    made = rank(gold)
    assert (made.is_current, made.surplus, made.origin) == (True, True, Origin.HERE)
    assert needed() == before
    gold.refresh_from_db()
    assert gold.submitted_at is not None
    assert gold.slot is None


def test_a_repeated_ranking_stands_beside_the_first_which_stays(
    repeat: Assignment, ann: Member, project: Project
) -> None:
    before = needed()
    first = Ranking.objects.get(prompt=repeat.prompt_id)
    made = rank(repeat, RankingInput(DCBA))
    assert (made.is_current, made.origin, made.version) == (False, Origin.REPEATED, 2)
    first.refresh_from_db()
    assert first.is_current
    assert needed() == before
    assert sum(len(rankings) for rankings in rankings_by_prompt(project)) == len(
        Ranking.objects.filter(is_current=True)
    )


def test_the_first_ranking_and_the_repeated_one_are_edited_apart(repeat: Assignment) -> None:
    first = first_of(repeat)
    rank(repeat, RankingInput(DCBA, note="again"))
    repeat.refresh_from_db()
    rank(repeat, RankingInput(ABCD, note="again, mended"))
    rank(first, RankingInput(DCBA, note="first, mended"))
    versions = Ranking.objects.filter(prompt=repeat.prompt_id).order_by("version")
    assert [(r.version, r.origin, r.is_current, r.note) for r in versions] == [
        (1, "here", False, ""),
        (2, "repeated", False, "again"),
        (3, "repeated", False, "again, mended"),
        (4, "here", True, "first, mended"),
    ]
    for assignment, note in ((repeat, "again, mended"), (first, "first, mended")):
        verdict = submissions.current_input(assignment)
        assert verdict is not None
        assert verdict.note == note


def test_the_same_submit_twice_stores_one_of_each(repeat: Assignment) -> None:
    key = uuid.uuid4()
    first = first_of(repeat)
    for assignment in (repeat, first, repeat, first):
        submit(assignment=assignment, entered=RankingInput(ABCD, note="same"), key=key)
    again = Ranking.objects.filter(prompt=repeat.prompt_id).order_by("version")
    assert [ranking.origin for ranking in again] == ["here", "repeated", "here"]


def test_an_undo_puts_a_control_back(control: Assignment) -> None:
    rank(control, RankingInput(DCBA, note="too quick"))
    done = control.member.ranked
    reopened = reopen(control)
    assert reopened.draft["note"] == "too quick"
    assert task(control.member) == control
    control.member.refresh_from_db()
    assert control.member.ranked == done - 1
    standing = Ranking.objects.filter(prompt=control.prompt_id, member=control.member)
    assert not standing.filter(is_current=True, note="too quick").exists()
    control.refresh_from_db()
    made = rank(control, RankingInput(DCBA, note="too quick"))
    assert made.version == (2 if control.gold else 3)


def test_a_skipped_control_gives_nothing_to_others(control: Assignment) -> None:
    before = needed()
    skip(assignment=control, reason="other")
    assert needed() == before
    assert reopen(control).skipped_at is None
    assert task(control.member) == control


def test_an_expired_control_stays_its_labellers(control: Assignment) -> None:
    before = needed()
    expire(control)
    assignments.release_expired()
    assignments.keep_alive(control.member, [control.token])
    control.refresh_from_db()
    assert control.expires_at > timezone.now()
    expire(control)
    assert task(control.member) == control
    assert needed() == before


def test_a_control_taken_back_is_gone_and_its_late_ranking_is_kept(control: Assignment) -> None:
    before = needed()
    full = prompt_history.history(control.prompt)
    assert (full.controls, full.held) == ([control], [])
    assert prompt_queue.take_back(assignment=control)
    assert not prompt_queue.take_back(assignment=control)
    assert prompt_history.history(control.prompt).lapsed == [control]
    assert needed() == before
    share(control.member, gold_share=0, repeat_share=0)
    assert task(control.member) != control
    control.refresh_from_db()
    made = rank(control)
    assert made.surplus
    assert made.is_current == control.gold


# Nobody can tell

# For managers


def test_controls_are_no_rankings_that_were_wanted(
    gold: Assignment, project: Project, manager: Member
) -> None:
    before = progress.totals(project)
    rank(gold)
    assert progress.totals(project) == before
    today = progress.per_day(project)[-1]
    assert today.rankings == today.wanted + 1


def test_an_open_control_is_counted_as_in_progress(gold: Assignment, project: Project) -> None:
    in_progress = {each.member: each.in_progress for each in progress.labellers(project)}
    assert in_progress[gold.member] == 1


def test_a_manager_sees_who_has_a_control(gold: Assignment, manager: Member) -> None:
    url = f"/projects/kitchen/prompts/{gold.prompt_id}/"
    page = sign_in(manager).get(url).content.decode()
    assert "gold prompt" in page
    answer = sign_in(manager).post(f"{url}take-back/{gold.pk}/")
    assert answer.status_code == 302
    gold.refresh_from_db()
    assert gold.taken_back


# At once


@pytest.mark.django_db(transaction=True)
def test_gold_prompts_go_to_several_at_once(
    project: Project, add_gold: Callable[..., Prompt], add_prompt: AddPrompt
) -> None:
    people = [join(project, f"p{i}", Role.LABELLER) for i in range(3)]
    for i in range(5):
        add_gold(f"Known {i}?")
    for i in range(30):
        add_prompt(f"{i}?")
    Project.objects.update(gold_share=50)

    def work(member: Member) -> None:
        for _ in range(10):
            rank(task(member))

    assert in_parallel(*[lambda m=m: work(Member.objects.get(pk=m.pk)) for m in people]) == []
    tasks = Assignment.objects.filter(gold=True)
    assert len(set(tasks.values_list("prompt", "member"))) == tasks.count() > 0
    ordinary = Assignment.objects.filter(gold=False)
    assert len(set(ordinary.values_list("prompt", "slot"))) == ordinary.count()
    assert not ordinary.filter(slot=None).exists()
