"""Numbers as text."""

import math

import pytest

from training.evaluation.formatting import (
    decimal,
    duration,
    number,
    percent,
    percent_between,
    points,
    share,
)


def test_a_number_that_is_not_known_is_a_dash():
    assert [percent(None), percent(math.nan), decimal(None), decimal(math.nan)] == ["–"] * 4
    assert points({"gain": None, "gain_low": None, "gain_high": None}, "gain") == "–"


def test_intervals_stand_behind_their_figures():
    found = {"x": 0.5, "x_low": 0.25, "x_high": 0.755}
    assert share(found, "x") == "50.0% (25.0% to 75.5%)"
    assert number(found, "x") == "0.50 (0.25 to 0.76)"
    assert points(found, "x") == "+50.0 points (+25.0 to +75.5)"
    assert share({"x": 0.5, "x_low": None, "x_high": None}, "x") == "50.0%"


@pytest.mark.parametrize(("value", "text"), [(0.0, "+0.0%"), (0.01, "+1.0%"), (-0.01, "-1.0%")])
def test_a_difference_has_its_sign(value, text):
    assert percent_between(value, math.nan, math.nan, signed=True) == text


def test_short_times_have_a_digit_behind_the_point():
    assert [duration(0.14), duration(9.0), duration(75.3)] == [
        "0.1 seconds",
        "9.0 seconds",
        "75 seconds",
    ]
