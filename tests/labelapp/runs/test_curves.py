"""Curves by step: thinned and smoothed lines."""

import pytest

from labelapp.runs.curves import smoothed, thinned, values


def test_values_that_are_no_numbers_are_left_out() -> None:
    lines = [
        {"step": 1, "loss": 0.7}, {"step": 2, "loss": None}, {"step": 3, "loss": float("nan")},
    ]  # fmt: skip
    assert values(lines, "loss") == [(1.0, 0.7)]


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
