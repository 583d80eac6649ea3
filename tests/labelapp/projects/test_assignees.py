"""Prompts assigned to named labellers: who gets them, in which order, and what is released."""

import random
import threading
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labelapp.labelling import assignments, queue
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignee, Assignment, Member, Project, Prompt, Ranking, Role
from labelapp.people import exclusions
from labelapp.projects import assignees, members, prompt_changes
from tests.conftest import AddPrompt, join
from tests.labelapp.labelling.acting import skip, submit

ABCD = {"A": 1, "B": 2, "C": 3, "D": 4}


@pytest.fixture
def ten(add_prompt: AddPrompt) -> list[Prompt]:
    return [add_prompt(f"{number}?") for number in range(10)]


def assign(prompts: list[Prompt], *people: Member, evenly: bool = False, only: bool = False) -> int:
    project = people[0].project
    return assignees.assign(
        project=project,
        prompts=project.prompts.filter(pk__in=[prompt.pk for prompt in prompts]),
        members=people,
        evenly=evenly,
        only=only,
    )


def rank(member: Member) -> Prompt | None:
    """Rank the member's next prompt, and return it."""
    assignment = assignments.current_assignment(member)
    if assignment is None:
        return None
    submit(assignment=assignment, entered=RankingInput(ABCD))
    return assignment.prompt


def test_assigned_prompts_come_first_and_the_others_after(
    ten: list[Prompt], labeller: Member
) -> None:
    ten[7].priority = 1
    ten[7].save()
    assign([ten[5], ten[7], ten[3]], labeller)
    order = [rank(labeller) for _ in range(10)]
    assert order == [ten[i] for i in (7, 3, 5, 0, 1, 2, 4, 6, 8, 9)]
    assert rank(labeller) is None
    assert not Assignee.objects.filter(waits=True).exists()


def test_others_may_rank_what_is_not_reserved(
    ten: list[Prompt], labeller: Member, manager: Member
) -> None:
    assign(ten[:2], labeller)
    assert [rank(manager), rank(manager)] == ten[:2]
    assert rank(labeller) == ten[2]


def test_nobody_else_gets_what_is_reserved(
    ten: list[Prompt], labeller: Member, manager: Member
) -> None:
    assign(ten[:9], labeller, only=True)
    assert queue.count(manager, 100).prompts == 1
    assert queue.count(labeller, 100).prompts == 10
    assert [rank(manager), rank(manager)] == [ten[9], None]
    assert [rank(labeller) for _ in range(10)] == [*ten[:9], None]


def test_shared_evenly_each_gets_as_many(
    ten: list[Prompt], labeller: Member, manager: Member
) -> None:
    assert assign(ten, labeller, manager, evenly=True, only=True) == 10
    counts = Counter(Assignee.objects.values_list("member__name", flat=True))
    assert counts == {"labeller": 5, "manager": 5}
    assert queue.count(manager, 100).prompts == 5


def test_assigning_anew_replaces_who_had_it(
    ten: list[Prompt], labeller: Member, manager: Member
) -> None:
    assign(ten[:2], labeller, only=True)
    assign(ten[:1], manager, only=True)
    assert rank(manager) == ten[0]
    assert rank(labeller) == ten[1]
    project = labeller.project
    assert assignees.unassign(prompts=project.prompts.all()) == 2
    assert not Assignee.objects.exists()
    assert not Prompt.objects.filter(reserved=True).exists()


def test_a_released_prompt_behind_the_place_is_found(
    ten: list[Prompt], labeller: Member, manager: Member
) -> None:
    assign(ten[:5], labeller, only=True)
    assert [rank(manager) for _ in range(5)] == ten[5:]
    assignees.unassign(prompts=labeller.project.prompts.filter(pk__in=[ten[0].pk]))
    assert rank(manager) == ten[0]
    assert rank(manager) is None


def test_what_was_ranked_before_does_not_wait(ten: list[Prompt], labeller: Member) -> None:
    assert rank(labeller) == ten[0]
    assign(ten[:2], labeller)
    waiting = Assignee.objects.filter(waits=True)
    assert list(waiting.values_list("prompt", flat=True)) == [ten[1].pk]


@pytest.mark.parametrize("left_out", [True, False])
def test_what_waits_is_released_when_its_labeller_goes(
    ten: list[Prompt], labeller: Member, manager: Member, left_out: bool
) -> None:
    assign(ten[:4], labeller, only=True)
    assign(ten[4:6], labeller, manager, only=True)
    assert rank(labeller) == ten[0]
    if left_out:
        assert manager.user is not None
        exclusions.exclude(member=labeller, by=manager.user, reason="by chance")
    else:
        members.remove(member=labeller)
    theirs = Assignee.objects.filter(member=labeller)
    assert list(theirs.values_list("prompt", "waits")) == [(ten[0].pk, False)]
    still = Prompt.objects.filter(reserved=True).order_by("pk")
    assert list(still) == [ten[0], *ten[4:6]]
    assert [rank(manager) for _ in range(9)] == [*ten[4:6], *ten[1:4], *ten[6:]]
    assert assign(ten, labeller) == 0  # nobody assigns to who has gone


def test_undo_gives_the_prompts_to_who_had_them(
    ten: list[Prompt], labeller: Member, manager: Member
) -> None:
    project, by = labeller.project, manager.user
    assert by is not None
    assign(ten[:3], labeller, only=True)
    number = prompt_changes.carry_out(
        lambda: assignees.assign(
            project=project, prompts=project.prompts.all(), members=[manager], evenly=False,
            only=False,
        ),
        prompts=project.prompts.all(),
        project=project,
        by=by,
    )  # fmt: skip
    assert number == 10
    change = prompt_changes.last_change(project, by)
    assert change is not None
    assert prompt_changes.undo(change) == 10
    found = Assignee.objects.order_by("prompt").values_list("prompt", "member", "waits")
    assert list(found) == [(prompt.pk, labeller.pk, True) for prompt in ten[:3]]
    assert list(Prompt.objects.filter(reserved=True).order_by("pk")) == ten[:3]


def test_undo_assigns_nothing_to_who_has_left(
    ten: list[Prompt], labeller: Member, manager: Member
) -> None:
    project, by = labeller.project, manager.user
    assert by is not None
    assign(ten[:3], labeller, only=True)
    prompts = project.prompts.all()
    prompt_changes.carry_out(
        lambda: assignees.unassign(prompts=prompts), prompts=prompts, project=project, by=by
    )
    members.remove(member=labeller)
    change = prompt_changes.last_change(project, by)
    assert change is not None
    assert prompt_changes.undo(change) == 3
    assert not Assignee.objects.exists()
    assert not Prompt.objects.filter(reserved=True).exists()


def test_a_skipped_prompt_stays_reserved(
    ten: list[Prompt], labeller: Member, manager: Member
) -> None:
    assign(ten[:1], labeller, only=True)
    assignment = assignments.current_assignment(labeller)
    assert assignment is not None
    skip(assignment=assignment, reason="other")
    assert rank(labeller) == ten[1]
    assert rank(manager) == ten[2]


def test_a_claim_costs_as_much_with_many_assigned(add_prompt: AddPrompt, labeller: Member) -> None:
    made = [add_prompt(f"{number}?") for number in range(30)]
    assign(made[:2], labeller)
    with CaptureQueriesContext(connection) as few:
        rank(labeller)
    assign(made[2:], labeller)
    with CaptureQueriesContext(connection) as many:
        rank(labeller)
    assert len(many) == len(few)


@pytest.mark.django_db(transaction=True)
def test_concurrent_labellers_lose_and_double_nothing(
    project: Project, add_prompt: AddPrompt
) -> None:
    """Six labellers rank while a manager assigns, shares and opens prompts at random."""
    made = [add_prompt(f"{number}?", wanted=2) for number in range(30)]
    people = [join(project, f"labeller-{n}", Role.LABELLER) for n in range(6)]
    failures: list[Exception] = []
    stop = threading.Event()

    def work(member: Member) -> None:
        try:
            while rank(Member.objects.select_related("project").get(pk=member.pk)) is not None:
                pass
        except Exception as failure:  # noqa: BLE001 - the test tells
            failures.append(failure)
        finally:
            connection.close()

    def steer() -> None:
        draw = random.Random(0)
        try:
            while not stop.is_set():
                some = draw.sample(made, 10)
                if draw.random() < 0.3:
                    assignees.unassign(
                        prompts=Prompt.objects.filter(pk__in=[one.pk for one in some])
                    )
                else:
                    assign(some, *draw.sample(people, 2), evenly=draw.random() < 0.5)
                stop.wait(0.02)
        except Exception as failure:  # noqa: BLE001 - the test tells
            failures.append(failure)
        finally:
            connection.close()

    steering = threading.Thread(target=steer)
    working = [threading.Thread(target=work, args=(member,)) for member in people]
    for thread in (steering, *working):
        thread.start()
    for thread in working:
        thread.join(60)
    stop.set()
    steering.join(60)
    assert failures == []
    ranked = Counter(Ranking.objects.values_list("prompt", flat=True))
    assert ranked == {prompt.pk: 2 for prompt in made}
    assert set(Prompt.objects.values_list("rankings_needed", flat=True)) == {0}
    pairs = Assignment.objects.values_list("prompt", "member")
    assert len(set(pairs)) == len(pairs) == 60
