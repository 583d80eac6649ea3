"""The charts of progress: what is left with its forecast, and the rankings of each day."""

from datetime import date, timedelta

import pytest

from labelapp.models import Member, Project
from labelapp.projects import progress
from labelapp.projects.burndown import burndown
from labelapp.projects.days_chart import MOST_LABELLERS, days_chart
from labelapp.projects.progress import Day, Forecast, LabellerProgress
from tests.conftest import AddPrompt, join, sign_in
from tests.labelapp import drawn
from tests.labelapp.projects.test_progress import rank

FIRST = date(2026, 3, 1)


def days(*made: int) -> list[Day]:
    return [Day(FIRST + timedelta(days=n), each, each) for n, each in enumerate(made)]


def test_what_is_left_is_drawn_day_by_day() -> None:
    chart = burndown(days(0, 0, 4, 0, 6), 10, Forecast())
    assert chart is not None
    assert chart.rows == [
        ["5 Mar 2026", "10"], ["4 Mar 2026", "16"], ["3 Mar 2026", "16"], ["2 Mar 2026", "20"],
    ]  # fmt: skip
    [left] = chart.series
    assert [(point.x, point.y) for point in left.points] == [(0, 20), (1, 16), (2, 16), (3, 10)]
    assert (chart.x.start, chart.x.high, chart.y.high) == (date(2026, 3, 2), 3, 20)
    assert chart.areas == []


def test_the_forecast_is_drawn_with_its_range() -> None:
    coming = Forecast(day=date(2026, 3, 8), earliest=date(2026, 3, 7), latest=date(2026, 3, 10))
    chart = burndown(days(0, 5, 5), 10, coming)
    assert chart is not None
    _left, pace = chart.series
    assert [(point.x, point.y) for point in pace.points] == [(2, 10), (7, 0)]
    [area] = chart.areas
    assert area.corners == [(2, 10), (6, 0), (9, 0), (9, 0)]
    assert chart.x.high == 9
    assert chart.rows[0] == ["Forecast: none left", "8 Mar 2026 (7 Mar 2026 to 10 Mar 2026)"]


@pytest.mark.parametrize(
    ("latest", "left_at_the_end"), [(date(2026, 4, 2), 10 * (1 - 18 / 30)), (None, 10)]
)
def test_a_range_that_leads_far_away_is_cut_where_it_is(
    latest: date | None, left_at_the_end: float
) -> None:
    coming = Forecast(day=date(2026, 3, 8), earliest=date(2026, 3, 7), latest=latest)
    chart = burndown(days(0, 5, 5), 10, coming)
    assert chart is not None
    [area] = chart.areas
    assert area.corners[-1] == (chart.x.high, pytest.approx(left_at_the_end))


def test_nothing_is_drawn_before_the_first_ranking() -> None:
    assert burndown(days(0, 0, 0), 10, Forecast()) is None
    assert days_chart(days(0, 0, 0), []) is None


def of(pk: int) -> LabellerProgress:
    return LabellerProgress(Member(pk=pk, name=f"labeller {pk}"), 0, 0, 0, 0, None, None)


def test_each_day_is_stacked_by_labeller_those_with_most_first() -> None:
    made = [Day(FIRST, 3, 3, {1: 1, 2: 2}), Day(FIRST + timedelta(days=1), 4, 4, {2: 4})]
    chart = days_chart(made, [of(1), of(2)])
    assert chart is not None
    assert [(one.name, [point.y for point in one.points]) for one in chart.series] == [
        ("labeller 2", [2, 4]),
        ("labeller 1", [1, 0]),
    ]
    assert chart.rows == [["Mon 2 Mar 2026", "4", "4", "0"], ["Sun 1 Mar 2026", "3", "2", "1"]]


def test_many_labellers_share_the_last_colour() -> None:
    count = MOST_LABELLERS + 3
    chart = days_chart(
        [Day(FIRST, sum(range(1, count + 1)), 0, {n: n for n in range(1, count + 1)})],
        [of(n) for n in range(1, count + 1)],
    )
    assert chart is not None
    assert len(chart.series) == MOST_LABELLERS + 1
    assert (chart.series[-1].name, chart.series[-1].points[0].y) == ("others", 1 + 2 + 3)
    assert len({one.colour for one in chart.series}) == MOST_LABELLERS + 1


def test_progress_shows_14_days_by_labeller_and_30_when_asked(
    project: Project, add_prompt: AddPrompt, labeller: Member, manager: Member
) -> None:
    bob = join(project, "bob", labeller.role)
    for number in range(3):
        add_prompt(f"{number}?")
    for member in (labeller, labeller, bob):
        rank(member)
    client = sign_in(manager)
    for query, shown in (("", 14), ("?days=30", 30), ("?days=x", 14)):
        page = client.get(f"/projects/kitchen/progress/{query}").content.decode()
        chart = drawn.charts(page)["plot-days"]
        assert [one["name"] for one in chart["series"]] == ["labeller", "bob"]
        assert [one["y"][-1] for one in chart["series"]] == [2, 1]
        assert len(chart["x"]["names"]) == shown
        rows = drawn.table(page, "plot-days")
        assert (len(rows), rows[0][1:]) == (shown, ["3", "2", "1"])
        assert "plot-left" in drawn.charts(page)
        assert "On average 3.0 per day since" in page
    live = client.get("/projects/kitchen/progress/live/?days=30").content.decode()
    assert len(drawn.charts(live)["plot-days"]["x"]["names"]) == 30
    assert 'hx-get="/projects/kitchen/progress/live/?days=30"' in live


def test_only_those_who_see_progress_fetch_it(
    project: Project, labeller: Member, manager: Member
) -> None:
    url = "/projects/kitchen/progress/live/"
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(manager).post(url).status_code == 405


def test_the_days_know_who_ranked(
    project: Project, add_prompt: AddPrompt, labeller: Member
) -> None:
    add_prompt("1?")
    rank(labeller)
    assert progress.per_day(project)[-1].by_member == {labeller.pk: 1}
