"""Nobody can tell a task that measures them from any other."""

import random
import re
from collections.abc import Callable

import pytest
from django.test import Client

from labelapp.labelling import assignments, controls, own_progress
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Prompt
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.labelling.acting import DCBA, reopen, skip, task
from tests.labelapp.labelling.controlled import days_ago, rank, share, until

LABELLING = "/projects/kitchen/labelling/"


def test_a_control_looks_like_any_other_task(control: Assignment) -> None:
    browser = sign_in(control.member)
    pages = {"control": browser.get(LABELLING).content.decode()}
    rank(control)
    share(control.member, gold_share=0, repeat_share=0)
    pages["other"] = browser.get(LABELLING).content.decode()
    other = task(control.member)

    def bare(page: str, of: Assignment) -> str:
        """A page without what differs between any two tasks: texts, keys, the count."""
        page = page.replace(str(of.prompt), "PROMPT").replace(str(of.token), "TOKEN")
        page = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "KEY", page)
        page = re.sub(r'value="[A-Za-z0-9]{64}"', "CSRF", page)
        page = re.sub(r'csrftoken": "\w+"', "CSRF", page)
        for response in of.prompt.responses.all():
            page = page.replace(response.text, "RESPONSE")
        page = re.sub(r"\d+ words?", "WORDS", page)
        page = re.sub(r' open data-first="[^"]*"', "", page)  # the guidelines of a first task
        return re.sub(r"\b\d+ (ranked|more waits?|today)", r"N \1", page)

    assert bare(pages["control"], control) == bare(pages["other"], other)
    mine = browser.get("/projects/kitchen/my-work/").content.decode()
    assert not re.search(r"gold|repeat|surplus", mine + pages["control"], re.IGNORECASE)


def counts(member: Member) -> tuple[int, int, int, int]:
    member = Member.objects.get(pk=member.pk)
    own = own_progress.progress(member)
    return own.done, own.today, own.left, own_progress.waiting_for(member).number


def test_the_counts_go_on_as_with_any_other_task(control: Assignment) -> None:
    ann = control.member
    share(ann, gold_share=0, repeat_share=0)
    with_control = counts(ann)
    card = sign_in(ann).get("/").content.decode()
    rank(control)
    other = task(ann)
    assert not other.is_control
    done, today, left, waiting = counts(ann)
    assert (done, today, left, waiting) == (
        with_control[0] + 1,
        with_control[1] + 1,
        with_control[2] - 1,
        with_control[3] - 1,
    )
    assert f"{with_control[3]} prompt" in card


SHOWN = {  # where a labeller sees how many wait, and the words around the number
    LABELLING: r">(\d+|100 and|) ?more waits?<",
    "/projects/kitchen/": r">(\d+|100\+|More) prompts? to rank<",
    "/": r"· (\d+|100\+|) ?prompts? to rank",
}


def shown(browser: Client) -> list[str]:
    """The numbers that the pages show of what waits."""
    pages = {url: browser.get(url).content.decode() for url in SHOWN}
    found = [re.search(words, " ".join(pages[url].split())) for url, words in SHOWN.items()]
    return [match[1] if match else "none" for match in found]


@pytest.mark.parametrize(("before", "seed"), [(0, 0), (1, 1)])
def test_the_numbers_go_down_by_one_with_every_task(
    ann: Member, bob: Member, add_gold: Callable[..., Prompt], add_prompt: AddPrompt,
    add_ranking: AddRanking, seed: int, before: int,
) -> None:  # fmt: skip
    """No shown number tells a control: the task is ranked, skipped, or ranked twice.

    Some gold prompts need another ranking, so they would have come by themselves. `before` says
    whether the task after is kept ready, as the page does.
    """
    for i in range(6):
        add_gold(f"Known {i}?")
    for i in range(4):
        known = add_prompt(f"Known, and wanted once more {i}?", wanted=1)
        controls.mark_gold(add_ranking(known, bob, (1, 2, 3, 4)))
    earlier = [add_prompt(f"Before {i}?") for i in range(5)]
    for _ in earlier:
        rank(task(ann))
    Assignment.objects.update(submitted_at=days_ago(10), created_at=days_ago(10))
    Member.objects.update(queue_priority=None, queue_prompt=None)
    for i in range(30):
        add_prompt(f"{i}?")
    share(ann, gold_share=25, repeat_share=25)
    random.seed(seed)
    browser = sign_in(ann)
    last, met = [""] * 3, []
    for step in range(80):
        ann = Member.objects.select_related("project").get(pk=ann.pk)
        assignment = assignments.current_assignment(ann)
        if assignment is None:
            break
        if before:
            assignments.next_assignment(ann, assignment)
        met.append(assignment)
        numbers = shown(browser)
        if step % 8 == 0:
            assert numbers == shown(browser)  # looking again draws nothing
        for number, earlier_number in zip(numbers, last, strict=True):
            if number.isdecimal() and earlier_number.isdecimal():
                assert int(number) == int(earlier_number) - 1, (step, assignment.is_control)
            elif earlier_number.isdecimal():
                # What the page and its successor hold is in some of the numbers.
                assert number in ("", "More"), (step, number)
                assert int(earlier_number) - own_progress.FEW in (0, 1, 1 + before)
        last = numbers
        if step % 5 == 1:
            skip(assignment=assignment, reason="other")
            continue
        rank(assignment)
        if step % 5 == 2:
            rank(reopen(assignment), RankingInput(DCBA))
    kinds = {(assignment.gold, assignment.repeat) for assignment in met}
    assert kinds == {(True, False), (False, True), (False, False)}
    assert len(met) > 34
    assert not own_progress.waiting_for(ann)


def test_a_number_that_stops_at_a_hundred_does_not_go_down_by_a_control(
    ann: Member, add_gold: Callable[..., Prompt], add_prompt: AddPrompt
) -> None:
    for i in range(3):
        add_gold(f"Known {i}?")
    for i in range(own_progress.COUNTED + 10):
        add_prompt(f"{i}?")
    share(ann, gold_share=50)
    for _ in range(3):
        rank(until(ann, "gold"))
        assert own_progress.waiting_for(ann).many
        assert own_progress.progress(ann).left == own_progress.COUNTED


def test_the_next_day_begins_with_the_true_number(control: Assignment) -> None:
    ann = control.member
    rank(control)
    told = own_progress.progress(ann).left
    Assignment.objects.update(created_at=days_ago(1))
    assert own_progress.progress(ann).left == told + 1


def test_without_controls_every_number_is_exact(ann: Member, add_prompt: AddPrompt) -> None:
    for i in range(4):
        add_prompt(f"{i}?")
    task(ann)
    assert shown(sign_in(ann)) == ["3", "4", "4"]
    share(ann, gold_share=10)
    assert shown(sign_in(ann)) == ["", "More", ""]
