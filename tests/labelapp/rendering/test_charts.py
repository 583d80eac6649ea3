"""Charts: axes, references, what the script is given, and the words for those who do not see it."""

import json
from datetime import date

import pytest
from django.template.loader import render_to_string

from labelapp.rendering.charts import (
    Axis,
    Chart,
    Point,
    Reference,
    Series,
    axis_of_counts,
    axis_over,
    line_chart,
    link,
)
from tests.labelapp import drawn

STEP, LOSS = Axis("step"), Axis("loss", decimals=2)


def line(*points: tuple[float, float], name: str = "Training") -> Series:
    return Series(name, [Point(*point) for point in points])


def test_a_line_chart_goes_from_step_0_to_the_last_between_round_values() -> None:
    chart = line_chart("plot-loss", "Loss", [line((1, 1), (2, 0.5), (4, 0.25))], x=STEP, y=LOSS)
    assert chart is not None
    assert (chart.x.low, chart.x.high) == (0, 4)
    assert (chart.y.low, chart.y.high) == (pytest.approx(0.2), pytest.approx(1))


def test_the_chance_level_is_drawn_where_it_is_in_sight() -> None:
    charts = [
        line_chart("k", "Loss", [one], x=STEP, y=LOSS, reference=Reference("chance level", 0.75))
        for one in (line((0, 1.0), (1, 0.5)), line((0, 0.4), (1, 0.3)))
    ]
    assert [chart and [one.value for one in chart.references] for chart in charts] == [[0.75], []]


def test_there_is_no_line_chart_before_two_points() -> None:
    for series in ([], [line()], [line((1, 0.7))], [line((1, 0.7), (2, float("nan")))]):
        assert line_chart("k", "Loss", series, x=STEP, y=LOSS) is None


def test_a_line_of_one_value_is_level() -> None:
    chart = line_chart("k", "Loss", [line((1, 0.7)), line((0, 0.6), (9, 0.5))], x=STEP, y=LOSS)
    assert chart is not None
    assert [one["level"] for one in chart.data()["series"]] == [True, False]


def test_an_axis_is_logarithmic_only_for_values_above_0() -> None:
    log = Axis("loss", is_log=True)
    above, with_zero = (
        line_chart("k", "Loss", [line((0, low), (1, 0.5))], x=STEP, y=log) for low in (0.1, 0.0)
    )
    assert above is not None
    assert with_zero is not None
    assert (above.y.is_log, with_zero.y.is_log) == (True, False)


@pytest.mark.parametrize(
    ("counts", "top", "step"),
    [([0.0], 1, 1), ([1.0], 1, 1), ([3.0], 3, 1), ([13.0, 20.0], 20, 5), ([999.0], 1000, 200)],
)
def test_counts_are_on_an_axis_from_0_to_a_round_number(
    counts: list[float], top: float, step: float
) -> None:
    axis = axis_of_counts(Axis("rankings"), counts)
    assert (axis.low, axis.high, axis.step) == (0, top, step)


def test_an_axis_ends_at_round_values_around_all_that_is_drawn() -> None:
    axis = axis_over(Axis("reward"), [-0.31, 0.87])
    assert (axis.low, axis.high) == (pytest.approx(-0.5), pytest.approx(1))


@pytest.mark.parametrize(
    ("axis", "value", "text"),
    [
        (Axis("", "%", decimals=1), 61.25, "61.2\u202f%"),
        (Axis("", "points", decimals=1, notation="signed"), -1.24, "\u22121.2\u00a0points"),
        (Axis("", notation="signed", decimals=2), -0.001, "+0.00"),
        (Axis("", notation="scientific"), 0.003, "3.0e\u221203"),
        (Axis("", notation="significant"), 1.2345, "1.23"),
        (Axis(""), 12345.0, "12,345"),
    ],
)
def test_a_value_is_written_with_its_unit(axis: Axis, value: float, text: str) -> None:
    assert axis.write(value) == text


def example(**more: object) -> Chart:
    points = [Point(0, 60, 50, 70, url="/one/"), Point(1, 80, None, None, text="80, of one")]
    values = {
        "key": "plot-example", "kind": "dots", "title": "Agreement",
        "x": Axis("week of", names=["3 Mar", "10 Mar"]),
        "y": Axis("agreement", "%", decimals=1, low=50, high=100, step=10),
        "series": [Series("ann", points)], "references": [Reference("chance level", 50)],
        "columns": ["Week of", "Agreement"],
        "rows": [[link("3 Mar", "/one/"), "60.0 %"], ["10 Mar", "80.0 %"]],
    }  # fmt: skip
    return Chart(**(values | more))  # type: ignore[arg-type]


def test_the_script_is_given_the_values_and_not_what_is_not_set() -> None:
    data = json.loads(json.dumps(example().data()))
    assert data["x"] == {
        "label": "week of", "decimals": 0, "notation": "decimal", "names": ["3 Mar", "10 Mar"]
    }  # fmt: skip
    [series] = data["series"]
    assert (series["y"], series["low"], series["high"]) == ([60, 80], [50, None], [70, None])
    assert (series["url"], series["text"]) == (["/one/", ""], ["", "80, of one"])
    assert "box" not in series
    assert Axis("day", start=date(2026, 3, 1)).data()["start"] == "2026-03-01"


def test_a_value_that_is_no_number_is_not_drawn() -> None:
    chart = example(series=[line((0, 1), (1, float("nan")), (2, float("inf")), (3, 2))])
    assert chart.data()["series"][0]["x"] == [0, 3]


def test_a_chart_is_described_in_words() -> None:
    assert example().description == (
        "Agreement. agreement, in % by week of. ann: 60.0\u202f% at first, 80.0\u202f% at last,"
        " between 60.0\u202f% and 80.0\u202f%. chance level: 50.0\u202f%."
    )


def test_the_page_has_the_data_the_words_and_the_table_with_its_links() -> None:
    page = render_to_string("_chart.html", {"chart": example()})
    assert drawn.charts(page)["plot-example"]["references"] == [
        {"name": "chance level", "value": 50}
    ]
    assert drawn.table(page, "plot-example") == [["3 Mar", "60.0 %"], ["10 Mar", "80.0 %"]]
    assert '<a href="/one/">3 Mar</a>' in page
    assert 'aria-label="Agreement. agreement, in % by week of.' in page
    assert "agreement, in %</p>" in page


def test_names_are_text_for_the_page_and_for_the_script() -> None:
    hostile = "</script><script>hack()</script>"
    page = render_to_string(
        "_chart.html",
        {
            "chart": example(
                series=[line((0, 1), name=hostile), line((0, 2))], rows=[[hostile, "1"]]
            )
        },
    )
    assert hostile not in page
    assert drawn.charts(page)["plot-example"]["series"][0]["name"] == hostile
