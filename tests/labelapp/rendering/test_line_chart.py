"""Line charts: axes, chance level, thinned and smoothed lines."""

import pytest

from labelapp.rendering.charts import Series, line_chart, smoothed, step_ticks, thinned
from labelapp.runs.curves import values


def ends(path: str) -> list[float]:
    """The x of each point of a path."""
    return [float(point.split(",")[0]) for point in path.removeprefix("M").split(" L")]


def two_decimals(value: float) -> str:
    return f"{value:.2f}"


def test_a_chart_goes_from_step_0_to_the_last() -> None:
    points = [(step, 1.0 / step) for step in (1.0, 2.0, 4.0)]
    chart = line_chart("loss", "Loss", [Series(1, "thin", points)], two_decimals)
    assert chart is not None
    assert ends(chart.lines[0].path) == [150.0, 300.0, 600.0]
    assert [label for _, label in chart.ticks_x] == ["0", "1", "2", "3", "4"]
    assert [label for _, label in chart.ticks_y] == ["0.20", "0.40", "0.60", "0.80", "1.00"]


def test_the_chance_level_is_drawn_where_it_is_in_sight() -> None:
    high = [(0.0, 1.0), (1.0, 0.5)]
    low = [(0.0, 0.4), (1.0, 0.3)]
    charts = [
        line_chart("loss", "Loss", [Series(1, "thin", points)], two_decimals, chance=0.75)
        for points in (high, low)
    ]
    assert [chart and chart.chance for chart in charts] == [100.0, None]


def test_there_is_no_chart_before_two_points() -> None:
    assert line_chart("loss", "Loss", [], two_decimals) is None
    lines = [{"step": 1, "loss": 0.7}, {"step": 2, "loss": None}]
    series = [Series(1, "thin", values(lines, "loss"))]
    assert line_chart("loss", "Loss", series, two_decimals) is None


def test_a_long_line_is_thinned_and_keeps_its_end() -> None:
    points = thinned([(float(step), 0.5) for step in range(10_001)], 300)
    assert len(points) <= 300
    assert points[-1] == (10_000.0, 0.5)


def test_smoothing_is_a_mean_of_what_came_before() -> None:
    assert smoothed([(1.0, 4.0), (2.0, 0.0)], 0.5) == [
        (1.0, 4.0),
        (2.0, pytest.approx(0.25 * 4.0 / 0.75)),
    ]
    level = smoothed([(float(step), 0.7) for step in range(50)], 0.9)
    assert [value for _, value in level] == pytest.approx([0.7] * 50)
    assert smoothed([], 0.9) == []


@pytest.mark.parametrize(
    ("last", "labels"),
    [(1.0, ["0", "1"]), (8.0, ["0", "2", "4", "6", "8"]), (1650.0, ["0", "500", "1,000", "1,500"])],
)
def test_steps_are_marked_at_round_numbers(last: float, labels: list[str]) -> None:
    found = step_ticks(last)
    assert [label for _, label in found] == labels
    assert all(0 <= position <= 100 for position, _ in found)
