"""Who gets which prompt, in which order, and for how long."""

from datetime import timedelta

from django.utils import timezone

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Ranking, Role
from tests.conftest import AddPrompt, join
from tests.labelapp.labelling.acting import ABCD, expire, submit, task


def test_a_labeller_keeps_the_same_prompt_until_it_is_ranked(
    add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("One?")
    add_prompt("Two?")
    first = task(labeller)
    assert task(labeller) == first
    submit(assignment=first, entered=RankingInput(ABCD))
    assert task(labeller).prompt_id != first.prompt_id


def test_a_prompt_goes_to_as_many_labellers_as_it_wants(
    project: Project, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt(wanted=2)
    people = [join(project, name, Role.LABELLER) for name in ("ann", "bob", "cem")]
    given = [assignments.current_assignment(person) for person in people]
    assert [a and a.slot for a in given] == [1, 2, None]
    assert given[2] is None
    prompt.refresh_from_db()
    assert prompt.rankings_needed == 0


def test_urgent_prompts_come_first(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt("Later?")
    urgent = add_prompt("Now?", priority=5)
    assert task(labeller).prompt == urgent


def test_a_prompt_ranked_once_is_never_given_again(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt(wanted=3)
    submit(assignment=task(labeller), entered=RankingInput(ABCD))
    assert assignments.current_assignment(labeller) is None


def test_the_order_is_shuffled_per_labeller_and_kept(
    project: Project, add_prompt: AddPrompt
) -> None:
    add_prompt(responses=[f"text {i}" for i in range(9)], wanted=4)
    people = [join(project, name, Role.LABELLER) for name in ("ann", "bob", "cem", "dee")]
    orders = [tuple(task(person).order) for person in people]
    assert len(set(orders)) > 1  # four equal shuffles of nine: once in 10^16
    assert {frozenset(order) for order in orders} == {frozenset(orders[0])}
    assert tuple(task(people[0]).order) == orders[0]


def test_of_many_responses_k_are_drawn(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    project.responses_per_ranking = 5
    project.save()
    prompt = add_prompt(responses=[f"text {i}" for i in range(12)])
    order = task(Member.objects.get(pk=labeller.pk)).order
    assert len(set(order)) == 5
    assert set(order) <= set(prompt.responses.values_list("pk", flat=True))


def test_an_expired_lease_is_handed_on_and_a_late_ranking_is_kept(
    project: Project, add_prompt: AddPrompt
) -> None:
    prompt = add_prompt()
    slow, quick = (join(project, name, Role.LABELLER) for name in ("slow", "quick"))
    late = task(slow)
    expire(late)
    handed_on = task(quick)
    assert handed_on.prompt == prompt
    submit(assignment=handed_on, entered=RankingInput(ABCD))
    surplus = submit(assignment=late, entered=RankingInput(ABCD))
    assert surplus.surplus
    assert Ranking.objects.filter(surplus=False).count() == 1
    prompt.refresh_from_db()
    assert prompt.rankings_needed == 0


def test_a_late_ranking_counts_while_its_slot_is_free(
    project: Project, add_prompt: AddPrompt
) -> None:
    add_prompt("Urgent?", priority=1)
    slow, quick = (join(project, name, Role.LABELLER) for name in ("slow", "quick"))
    late = task(slow)
    expire(late)
    other = add_prompt("More urgent?", priority=2)
    assert task(quick).prompt == other  # which set the first prompt free
    late.prompt.refresh_from_db()
    assert late.prompt.rankings_needed == 1
    assert not submit(assignment=late, entered=RankingInput(ABCD)).surplus
    late.prompt.refresh_from_db()
    assert late.prompt.rankings_needed == 0


def test_an_expired_lease_that_nobody_took_goes_on(add_prompt: AddPrompt, labeller: Member) -> None:
    add_prompt()
    first = task(labeller)
    expire(first)
    again = task(labeller)
    assert again == first
    assert again.expires_at > timezone.now()
    assert not submit(assignment=again, entered=RankingInput(ABCD)).surplus


def test_a_labeller_whose_slot_was_taken_gets_another_prompt(
    project: Project, add_prompt: AddPrompt
) -> None:
    taken = add_prompt("One?", priority=1)
    slow, quick = (join(project, name, Role.LABELLER) for name in ("slow", "quick"))
    expire(task(slow))
    assert task(quick).prompt == taken
    assert assignments.current_assignment(slow) is None
    other = add_prompt("Two?")
    assert task(slow).prompt == other


def lasts(assignment: Assignment) -> timedelta:
    assignment.refresh_from_db()
    return assignment.expires_at - timezone.now()


def test_an_open_page_keeps_its_leases(add_prompt: AddPrompt, ann: Member) -> None:
    for i in range(3):
        add_prompt(f"{i}?")
    shown = task(ann)
    ahead = assignments.next_assignment(ann, shown)
    assert ahead is not None
    soon = timezone.now() + timedelta(minutes=1)
    Assignment.objects.update(expires_at=soon)
    assignments.keep_alive(ann, [shown.token])
    assert lasts(shown) > timedelta(minutes=59)
    assert lasts(ahead) < timedelta(minutes=2)
    assignments.keep_alive(ann, [shown.token, ahead.token])
    assert lasts(ahead) > timedelta(minutes=59)


def test_an_open_page_takes_back_a_slot_that_nobody_took(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    prompt = add_prompt()
    mine = task(ann)
    expire(mine)
    assignments.release_expired()
    assignments.keep_alive(ann, [mine.token])
    mine.refresh_from_db()
    prompt.refresh_from_db()
    assert (mine.slot, prompt.rankings_needed) == (1, 0)
    assert assignments.current_assignment(bob) is None


def test_an_open_page_does_not_take_a_slot_from_somebody_else(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    prompt = add_prompt()
    mine = task(ann)
    expire(mine)
    theirs = task(bob)
    assignments.keep_alive(ann, [mine.token])
    mine.refresh_from_db()
    theirs.refresh_from_db()
    prompt.refresh_from_db()
    assert (mine.slot, theirs.slot, prompt.rankings_needed) == (None, 1, 0)


def test_an_open_page_keeps_nobody_elses_tasks(
    add_prompt: AddPrompt, ann: Member, bob: Member
) -> None:
    add_prompt()
    mine = task(ann)
    Assignment.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assignments.keep_alive(bob, [mine.token])
    assert lasts(mine) < timedelta(minutes=2)
