"""The figures of each labeller, worked out by hand and for labellers with known faults."""

import random
from collections.abc import Callable

import pytest

from labelapp.quality.coefficients import measure
from labelapp.quality.rankings import MeasuredRanking
from labelapp.quality.results import LabellerFigures
from training.rankings import UNRANKED

ANN, BOB = 1, 2
# A to D were shown as C A D B, and have 10, 20, 30, 30 characters.
PLACES = {0: 1, 1: 3, 2: 0, 3: 2}
LENGTHS = {0: 10, 1: 20, 2: 30, 3: 30}


def people(*prompts: list[MeasuredRanking]) -> dict[int | None, LabellerFigures]:
    return {person.member: person for person in measure(prompts).people}


def ranked(member: int, *ranks: int, seconds: float | None = None) -> MeasuredRanking:
    return MeasuredRanking(member, dict(enumerate(ranks)), seconds, PLACES, LENGTHS)


def test_figures_are_shares_of_a_labellers_comparisons() -> None:
    ann = people([ranked(ANN, 1, 2, 3, 3)])[ANN]
    assert (ann.ties.value, ann.ties.count) == (1 / 6, 6)  # CD
    # The better one of AB, AC, AD, BC, BD is A, A, A, B, B; shown first was A, C, A, C, D.
    assert (ann.first.value, ann.first.count, ann.first.chance) == (2 / 5, 5, 0.5)
    # It is the shorter one each time.
    assert (ann.longer.value, ann.longer.count) == (0, 5)


def test_pairs_of_unranked_responses_are_not_ties() -> None:
    assert people([ranked(1, 1, 2, UNRANKED, UNRANKED)])[1].ties.count == 5
    assert people([ranked(1, 1, 2, UNRANKED, UNRANKED)])[1].ties.value == 0.0


def test_of_equal_lengths_neither_is_longer() -> None:
    ann = people([ranked(ANN, 4, 3, 2, 1)])[ANN]
    assert (ann.longer.value, ann.longer.count) == (1, 5)  # all but CD


def test_the_median_time_is_of_rankings_that_were_timed() -> None:
    found = people(
        [ranked(ANN, 1, 2, 3, 4, seconds=10), ranked(BOB, 1, 2, 3, 4)],
        [ranked(ANN, 1, 2, 3, 4)],
        [ranked(ANN, 1, 2, 3, 4, seconds=40)],
    )
    assert (found[ANN].rankings, found[ANN].median_seconds) == (3, 25)
    assert (found[BOB].rankings, found[BOB].median_seconds) == (1, None)
    assert (found[None].rankings, found[None].median_seconds) == (4, 25)


def test_agreement_with_the_others_is_counted_for_each() -> None:
    carl = 3
    found = people(
        [ranked(ANN, 1, 2, 3, 4), ranked(BOB, 2, 1, 3, 3), ranked(carl, 4, 3, 2, 1)],
        [ranked(ANN, 1, 2, 3, 4)],
    )
    # Ann with Bob 4 of 5, with Carl 0 of 6; Bob with Carl AB of 5.
    assert (found[ANN].agreement.value, found[ANN].agreement.count) == (4 / 11, 11)
    assert (found[BOB].agreement.value, found[BOB].agreement.count) == (5 / 10, 10)
    assert (found[carl].agreement.value, found[carl].agreement.count) == (1 / 11, 11)
    assert (found[None].agreement.value, found[None].agreement.count) == (5 / 16, 16)


def test_what_cannot_be_said_of_a_labeller_says_why() -> None:
    found = people(
        [MeasuredRanking(ANN, {0: 1, 1: 1}), ranked(BOB, 1, 2, 3, 4)], [ranked(BOB, 1, 2, 3, 4)]
    )
    ann = found[ANN]
    assert ann.agreement.why_not == "Nobody else ranked the same responses apart."
    assert ann.first.why_not == "The order shown is unknown."
    assert ann.longer.why_not == "No lengths to compare."
    assert ann.ties.value == 1
    alone = people([ranked(ANN, 1, 2, 3, 4)])[ANN]
    assert alone.agreement.why_not == "Only one labeller has ranked. Agreement needs at least two."
    assert people() == {}


Fault = Callable[[dict[int, int], dict[int, int], list[float]], list[float]]
FAULTS: dict[int, Fault] = {
    0: lambda places, lengths, worth: worth,
    1: lambda places, lengths, worth: [-place for place in places.values()],
    2: lambda places, lengths, worth: list(lengths.values()),
    3: lambda places, lengths, worth: [random.random() for _ in worth],
}
HONEST, PLACED, LENGTHY, GUESSING = FAULTS


@pytest.fixture
def simulated() -> dict[int | None, LabellerFigures]:
    """Sixty prompts ranked by a careful labeller and by three with a fault each."""
    random.seed(7)
    prompts = []
    for _ in range(60):
        worth = [random.gauss(0, 1) for _ in range(5)]
        lengths = dict(enumerate(random.sample(range(50, 500), 5)))
        rankings = []
        for member, fault in FAULTS.items():
            places = dict(enumerate(random.sample(range(5), 5)))
            values = fault(places, lengths, worth)
            order = sorted(range(5), key=lambda place: -values[place])
            ranks = {place: 1 + order.index(place) for place in range(5)}
            rankings.append(MeasuredRanking(member, ranks, None, places, lengths))
        prompts.append(rankings)
    return people(*prompts)


def test_who_goes_by_the_place_stands_out(simulated: dict[int | None, LabellerFigures]) -> None:
    assert simulated[PLACED].first.value == 1
    for member in (HONEST, LENGTHY, GUESSING):
        assert (simulated[member].first.low or 0) < 0.55
        assert (simulated[member].first.high or 0) > 0.45


def test_who_goes_by_length_stands_out(simulated: dict[int | None, LabellerFigures]) -> None:
    assert simulated[LENGTHY].longer.value == 1
    for member in (HONEST, PLACED, GUESSING):
        assert abs((simulated[member].longer.value or 0) - 0.5) < 0.1
