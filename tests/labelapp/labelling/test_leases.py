"""Who gets which prompt, in which order, and for how long."""

from django.utils import timezone

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Member, Project, Ranking, Role
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
