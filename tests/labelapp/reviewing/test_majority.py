"""The margin by which rewards contradict people."""

import pytest

from labelapp.reviewing.majority import Votes, margin, votes
from training.rankings import Ranking

UP, DOWN, TIED = (Ranking(("a", "b"), ranks) for ranks in ((1, 2), (2, 1), (1, 1)))
REWARDS = {"a": 1.0, "b": 4.0}


@pytest.mark.parametrize(
    ("rankings", "expected"),
    [
        ([UP], 1.0),
        ([UP] * 4, 2.0),
        ([UP, UP, DOWN], 0.6),
        ([UP, DOWN], 0.0),
        ([UP, TIED], 0.75),
        ([DOWN], 0.0),
        ([], 0.0),
    ],
)
def test_a_lead_counts_as_far_as_people_are_certain(
    rankings: list[Ranking], expected: float
) -> None:
    assert margin(votes(rankings), REWARDS) == pytest.approx(expected)


def test_the_largest_pair_counts() -> None:
    found = {("a", "b"): Votes(first=1), ("a", "c"): Votes(first=4), ("b", "c"): Votes(second=1)}
    assert margin(found, {"a": 0.0, "b": 1.0, "c": 3.0}) == pytest.approx(2.0)
