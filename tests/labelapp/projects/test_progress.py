"""Progress: how far a campaign is, who did what, when it will be done, and the pause."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from scipy import stats

from labelapp.labelling import assignments
from labelapp.labelling.ranking_input import RankingInput
from labelapp.models import Assignment, Member, Project, Prompt, Ranking, Role, User
from labelapp.projects import progress
from labelapp.projects.progress import Day, Forecast, Totals
from tests.conftest import AddPrompt, join, sign_in
from tests.labelapp import drawn
from tests.labelapp.labelling.acting import skip, submit

URL = "/projects/kitchen/progress/"
PAUSE = f"{URL}pause/"
NOON = timezone.make_aware(datetime(2026, 3, 20, 12))
ABCD = dict(zip("ABCD", range(1, 5), strict=True))


def rank(member: Member, seconds: float = 0) -> Ranking:
    """Rank the next prompt as the member."""
    assignment = assignments.current_assignment(member)
    assert assignment is not None
    began = timezone.now() - timedelta(seconds=seconds)
    Assignment.objects.filter(pk=assignment.pk).update(created_at=began)
    return submit(assignment=assignment, entered=RankingInput(ABCD), seconds=seconds)


def page(person: Member | User) -> str:
    response = sign_in(person).get(URL)
    assert response.status_code == 200
    return response.content.decode()


# Where a campaign stands


def test_prompts_are_done_in_progress_or_waiting(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt("One?", priority=2)
    add_prompt("Two?", wanted=2, priority=1)
    add_prompt("Three?", wanted=2)
    add_prompt("Not queued?", wanted=0)
    rank(labeller)
    assignments.current_assignment(labeller)
    assert progress.totals(project) == Totals(
        prompts=4,
        done=1,
        in_progress=1,
        waiting=1,
        rankings_wanted=5,
        rankings_made=1,
        open_assignments=1,
    )


def test_a_prompt_that_is_full_but_held_is_not_done(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    assignments.current_assignment(labeller)
    totals = progress.totals(project)
    assert (totals.done, totals.in_progress, totals.waiting) == (0, 1, 0)
    assert (totals.rankings_made, totals.rankings_left) == (0, 1)


def test_a_surplus_ranking_is_none_of_those_wanted(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt()
    late = assignments.current_assignment(labeller)
    assert late is not None
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    rank(manager)
    assert submit(assignment=late, entered=RankingInput(ABCD)).surplus
    assert progress.totals(project).rankings_made == 1
    day = progress.per_day(project)[-1]
    assert (day.day, day.rankings, day.wanted) == (progress.today(), 2, 1)
    assert day.by_member == {labeller.pk: 1, manager.pk: 1}


def test_another_project_counts_for_nothing(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt()
    rank(labeller)
    other = Project.objects.create(name="Attic", slug="attic")
    assert progress.totals(other) == Totals(0, 0, 0, 0, 0, 0, 0)
    assert sum(day.rankings for day in progress.per_day(other)) == 0
    assert progress.labellers(other) == []


# Days and the forecast


def test_rankings_are_counted_on_their_day_and_empty_days_are_there(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    for i in range(4):
        add_prompt(f"{i}?")
        rank(labeller)
    for ago, assignment in zip((0, 3, 3, 40), Assignment.objects.all(), strict=True):
        when = timezone.now() - timedelta(days=ago)
        Assignment.objects.filter(pk=assignment.pk).update(submitted_at=when)
    days = progress.per_day(project)
    assert len(days) == 30
    assert days[-1].day == progress.today()
    assert [day.rankings for day in days] == [0] * 26 + [2, 0, 0, 1]


def days_of(*rankings: int) -> list[Day]:
    """Days of which the last is 20 March 2026."""
    first = NOON.date() - timedelta(days=len(rankings) - 1)
    return [Day(first + timedelta(days=i), made, made) for i, made in enumerate(rankings)]


def to_go(left: int) -> Totals:
    return Totals(10, 0, 0, 10, rankings_wanted=100, rankings_made=100 - left, open_assignments=0)


def test_the_forecast_goes_by_the_last_seven_days_with_work() -> None:
    days = days_of(900, 0, 10, 10, 10, 0, 0, 10, 10, 10, 10, 5)  # today is not over
    found = progress.forecast(totals=to_go(30), days=days, paused=False)
    # 70 rankings in the nine days since the first of the seven.
    assert found == Forecast(
        day=date(2026, 3, 24),
        earliest=date(2026, 3, 23),
        latest=date(2026, 3, 27),
        rankings=70,
        over=9,
        worked=7,
    )


@pytest.mark.parametrize("made", [(9, 11, 10, 8), (30, 20, 0, 5, 25, 10), (1,) * 9 + (100,)])
def test_the_range_of_the_forecast_is_a_t_interval_of_the_pace(made: tuple[int, ...]) -> None:
    left, today = 500, date(2026, 3, 20)
    earliest, latest = progress.date_range(left, days_of(*made), today)
    low, high = stats.t.interval(0.95, len(made) - 1, np.mean(made), stats.sem(made))
    assert earliest is not None
    assert abs((earliest - today).days - left / high) <= 2
    assert (latest is None) == (low <= 0)
    assert latest is None or abs((latest - today).days / (left / low) - 1) < 0.05


def test_few_days_give_no_range() -> None:
    found = progress.forecast(totals=to_go(30), days=days_of(10, 10, 10, 0), paused=False)
    assert (found.day, found.earliest, found.latest) == (date(2026, 3, 23), None, None)


def test_days_off_count_as_they_come() -> None:
    found = progress.forecast(totals=to_go(10), days=days_of(10, 0, 0, 0, 0), paused=False)
    assert found.day == date(2026, 3, 24)


@pytest.mark.parametrize(
    ("totals", "days", "paused", "why_not"),
    [
        (to_go(5), days_of(0, 0, 9), False, "no day yet"),
        (to_go(5), days_of(9, 9, 9), True, "paused"),
        (to_go(0), days_of(9, 9, 9), False, "done"),
        (Totals(3, 0, 0, 0, 0, 0, 0), days_of(0, 0), False, "nothing wanted"),
        (
            Totals(10, 0, 0, 10, rankings_wanted=10**6, rankings_made=1, open_assignments=0),
            days_of(1, 0, 0),
            False,
            "too far",
        ),
    ],
)
def test_where_no_date_can_be_said_the_reason_is(
    totals: Totals, days: list[Day], paused: bool, why_not: str
) -> None:
    found = progress.forecast(totals=totals, days=days, paused=paused)
    assert (found.day, found.why_not) == (None, why_not)


# People


def test_each_person_has_their_figures(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    for i in range(5):
        add_prompt(f"{i}?")
    for seconds in (10, 30, 200):
        rank(labeller, seconds)
    skipped = assignments.current_assignment(labeller)
    assert skipped is not None
    skip(assignment=skipped, reason="other")
    assignments.current_assignment(labeller)
    newcomer = join(project, "newcomer", Role.LABELLER)
    first, second = progress.labellers(project)
    assert (first.member, first.today, first.skipped, first.in_progress) == (labeller, 3, 1, 1)
    assert first.member.ranked == 3
    assert first.median_seconds == pytest.approx(30)
    assert first.last_active is not None
    assert second.member == newcomer  # the manager, who has ranked nothing, is not among them
    assert (second.today, second.median_seconds, second.last_active) == (0, None, None)


def test_the_median_of_an_even_number_lies_between_the_middle_two(
    project: Project, add_prompt: AddPrompt, add_ranking: Any, labeller: Member, manager: Member
) -> None:
    for i, seconds in enumerate((1.0, 2.0, 4.0, 100.0, None)):
        add_ranking(add_prompt(f"{i}?"), labeller, [1, 2, 3, 4], seconds=seconds)
    add_ranking(Prompt.objects.earliest("pk"), manager, [1, 2, 3, 4], seconds=7.0)
    assert progress.median_seconds(project) == {labeller.pk: 3.0, manager.pk: 7.0}


def test_an_earlier_version_has_no_part_in_the_median(
    project: Project, add_prompt: AddPrompt, add_ranking: Any, labeller: Member
) -> None:
    prompt = add_prompt()
    add_ranking(prompt, labeller, [1, 2, 3, 4], seconds=90.0, is_current=False)
    add_ranking(prompt, labeller, [2, 1, 3, 4], seconds=10.0, version=2)
    assert progress.median_seconds(project) == {labeller.pk: 10.0}


# The page


def test_the_page_shows_figures_people_and_open_tasks(
    add_prompt: AddPrompt, labeller: Member, reviewer: Member
) -> None:
    add_prompt("First?", priority=1)
    add_prompt("Second <b>?")
    rank(labeller, 95)
    assignments.current_assignment(labeller)
    html = page(reviewer)
    assert "of 2 rankings" in html
    assert "1\xa0min 35\xa0s" in html
    assert "Second &lt;b&gt;?" in html
    assert "No forecast yet." in html
    assert drawn.charts(html)["plot-days"]["series"][0]["y"][-1] == 1
    assert "Pause</button>" not in html


def test_the_forecast_is_said_in_words(
    add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    for i in range(3):
        add_prompt(f"{i}?")
    rank(labeller)
    Assignment.objects.update(submitted_at=timezone.now() - timedelta(days=1))
    day = progress.today() + timedelta(days=2)
    html = page(manager)
    assert f"Done around {day:%A} {day.day} {day:%B %Y}" in html
    assert "2 rankings to go." in html


def test_an_empty_project_says_what_to_do(project: Project, manager: Member) -> None:
    assert "/projects/kitchen/uploads/" in page(manager)


def test_a_project_in_which_nothing_is_queued_says_so(
    add_prompt: AddPrompt, manager: Member
) -> None:
    add_prompt(wanted=0)
    assert "has 1 prompt, none of them queued for labellers" in page(manager)


def test_a_manager_pauses_and_goes_on(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    add_prompt()
    client = sign_in(manager)
    assert client.post(PAUSE, {"paused": "1"})["Location"] == URL
    labeller.refresh_from_db()
    assert assignments.current_assignment(Member.objects.get(pk=labeller.pk)) is None
    html = page(manager)
    assert "nobody gets a new one" in html
    assert "There is no forecast while the project is paused." in html
    assert "Resume</button>" in html
    client.post(PAUSE)
    assert assignments.current_assignment(Member.objects.get(pk=labeller.pk)) is not None
    assert "Pause</button>" in page(manager)


def test_only_managers_pause(
    project: Project, labeller: Member, reviewer: Member, outsider: User, manager: Member
) -> None:
    for person, status in ((labeller, 403), (reviewer, 403), (outsider, 404)):
        assert sign_in(person).post(PAUSE, {"paused": "1"}).status_code == status
    assert Client().post(PAUSE, {"paused": "1"}).status_code == 302
    assert sign_in(manager).get(PAUSE).status_code == 405
    project.refresh_from_db()
    assert not project.paused


def test_progress_is_for_managers_and_reviewers(
    project: Project, labeller: Member, outsider: User, manager: Member
) -> None:
    assert sign_in(labeller).get(URL).status_code == 403
    assert sign_in(outsider).get(URL).status_code == 404
    assert Client().get(URL).status_code == 302
    assert sign_in(manager).post(URL).status_code == 405
    assert sign_in(manager).get("/projects/attic/progress/").status_code == 404


@pytest.mark.parametrize("size", [1, 12])
def test_the_page_makes_the_same_queries_whatever_the_project_holds(
    project: Project, add_prompt: AddPrompt, manager: Member, size: int
) -> None:
    for i in range(size):
        member = join(project, f"labeller {i}", Role.LABELLER)
        for n in range(2):
            add_prompt(f"{i} {n}?")
        rank(member, 5)
        assignments.current_assignment(member)
    client = sign_in(manager)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(URL).status_code == 200
    assert len(queries) == 10
