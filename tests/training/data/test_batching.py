"""The rankings and comparisons that each step learns from."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.tiny import stored_rankings
from training.config import TrainConfig
from training.data.batching import Batches, pairs_of
from training.rankings import UNRANKED, comparisons

RANKS = [(1, 2, 3), (2, 2, 1, 3), (1, 2), (4, 1, 3, 2, 1), (1, 2, 2)]
ranks = st.lists(st.integers(1, 4), min_size=2, max_size=9)


def reversed_places(row):
    """Responses stand in the prompt's lists the other way round."""
    return tuple(reversed(range(len(row))))


def prompts_of(*sizes):
    """A prompt for each number of responses, all of one token."""
    token = np.ones(1, np.int32)
    return [(token, [token] * size) for size in sizes]


@pytest.fixture
def rankings_of(tmp_path):
    """A function from rows of ranks to rankings, each of a prompt of its own."""

    def stored(ranks):
        rows = [(number, reversed_places(row), row) for number, row in enumerate(ranks)]
        return stored_rankings(tmp_path, prompts_of(*map(len, ranks)), rows)

    return stored


@pytest.fixture
def batches_of(rankings_of):
    rankings = rankings_of(RANKS)
    return lambda **settings: Batches(rankings, TrainConfig(rankings_per_step=2, **settings))


@pytest.fixture
def several(tmp_path):
    """Rankings of two prompts: eleven of one set, two of others, and a single one."""
    chance = np.random.default_rng(0)
    sets = [*[(0, 1, 2)] * 11, (4, 3), (3, 4)]
    rows = [(0, places, tuple(chance.permutation(len(places)) + 1)) for places in sets]
    return stored_rankings(tmp_path, prompts_of(5, 2), [*rows, (1, (0, 1), (1, 2))])


def content(step):
    """Prompt, places and ranks of each element of a step; each has one ranking."""
    for element in step:
        (ranking,) = element.rankings
        assert ranking.places == element.places
    return [(element.prompt.id, element.places, element.rankings[0].ranks) for element in step]


def epoch_of(batches, epoch):
    steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
    return [content(batches[step]) for step in steps]


def test_an_epoch_has_every_ranking_once(batches_of):
    batches = batches_of()
    first, second = epoch_of(batches, 0), epoch_of(batches, 1)
    assert [len(step) for step in first] == [2, 2, 1]
    everything = [(number, reversed_places(row), row) for number, row in enumerate(RANKS)]
    assert sorted(chain(*first)) == sorted(chain(*second)) == sorted(everything)
    assert first != second


@pytest.mark.parametrize("ties", ["drop", "half", "davidson"])
def test_a_shuffled_epoch_has_every_comparison_once(batches_of, ties):
    batches = batches_of(batching="shuffled", ties=ties)
    first, second = epoch_of(batches, 0), epoch_of(batches, 1)
    found = sorted(
        (number, *sorted(zip(pair_ranks, places, strict=True)))
        for number, places, pair_ranks in chain(*first)
    )
    expected = sorted(
        (number, *sorted((row[place], len(row) - 1 - place) for place in pair[:2]))
        for number, row in enumerate(RANKS)
        for pair in comparisons(row, ties)
    )
    assert found == expected
    assert first != second
    assert sorted(chain(*first)) == sorted(chain(*second))


def test_shuffled_comparisons_are_dealt_out_over_as_many_steps(batches_of):
    grouped, shuffled = batches_of(), batches_of(batching="shuffled")
    assert shuffled.per_epoch == grouped.per_epoch == 3
    sizes = [len(step) for step in epoch_of(shuffled, 0)]
    total = sum(len(comparisons(row)) for row in RANKS)
    assert sum(sizes) == total
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("batching", ["grouped", "shuffled"])
def test_a_run_may_begin_at_any_step(batches_of, batching):
    whole = batches_of(batching=batching)
    steps = [content(whole[step]) for step in range(9)]
    for first in (1, 4, 8):
        assert content(batches_of(batching=batching)[first]) == steps[first]


@pytest.mark.parametrize("batching", ["grouped", "shuffled"])
def test_another_seed_is_another_order(batches_of, batching):
    one, other = (epoch_of(batches_of(batching=batching, seed=seed), 0) for seed in (0, 1))
    assert one != other
    assert sorted(chain(*one)) == sorted(chain(*other))


def test_rankings_of_prompts_of_their_own_come_in_the_order_of_a_permutation(rankings_of):
    rows = [(1, 2)] * 7
    batches = Batches(rankings_of(rows), TrainConfig(rankings_per_step=3, seed=5))
    order = np.random.default_rng([5, 1]).permutation(len(rows)).tolist()
    found = [[element.prompt.id for element in batches[3 + step]] for step in range(3)]
    assert found == [order[:3], order[3:6], order[6:]]


def labellers(element):
    return [int(ranking.labeller.removeprefix("labeller ")) for ranking in element.rankings]


@pytest.mark.parametrize("epoch", [0, 1])
def test_all_rankings_of_a_set_of_responses_are_one_element(several, epoch):
    batches = Batches(several, TrainConfig(rankings_per_step=2))
    assert batches.per_epoch == 2
    steps = [batches[2 * epoch + step] for step in range(2)]
    assert [len(step) for step in steps] == [2, 1]
    found = sorted((labellers(element), element.places) for element in chain(*steps))
    assert found == [
        ([*range(11)], (0, 1, 2)),
        ([11, 12], (4, 3)),
        ([13], (0, 1)),
    ]


def test_a_ranking_of_fewer_responses_belongs_to_the_set_that_includes_them(tmp_path):
    sets = [(2, 1), (0, 1, 2), (1, 2, 0), (2, 3), (1, 3), (3, 2, 1)]
    rows = [(0, places, tuple(range(1, len(places) + 1))) for places in sets]
    batches = Batches(stored_rankings(tmp_path, prompts_of(4), rows), TrainConfig())
    found = sorted((labellers(element), element.places) for element in batches[0])
    assert found == [([0, 1, 2], (0, 1, 2)), ([3, 4, 5], (3, 2, 1))]


def test_a_run_of_an_earlier_version_learns_each_ranking_by_itself(several):
    batches = Batches(several, TrainConfig(rankings_per_step=2), merged=False)
    assert batches.per_epoch == 7
    assert sorted(labellers(element) for element in chain(*(batches[n] for n in range(7)))) == [
        [number] for number in range(14)
    ]


def test_all_comparisons_of_a_pair_of_responses_are_one_element(several):
    batches = Batches(several, TrainConfig(rankings_per_step=2, batching="shuffled"))
    assert batches.per_epoch == 2
    found = list(chain(batches[0], batches[1]))
    assert sorted((tuple(sorted(element.places)), labellers(element)) for element in found) == [
        ((0, 1), [*range(11)]),
        ((0, 1), [13]),
        ((0, 2), [*range(11)]),
        ((1, 2), [*range(11)]),
        ((3, 4), [11, 12]),
    ]
    for element in found:
        for ranking in element.rankings:
            whole = several[labellers(element)[element.rankings.index(ranking)]]
            before = dict(zip(whole.places, whole.ranks, strict=True))
            assert ranking.ranks == tuple(before[place] for place in ranking.places)


@given(rows=st.lists(ranks, min_size=1, max_size=5))
@pytest.mark.parametrize("ties", ["drop", "half", "davidson"])
def test_pairs_in_bulk_are_the_comparisons(ties, rows):
    found = {(place, *sorted(pair)) for place, *pair in pairs_of(rows, len(rows), ties).tolist()}
    expected = {
        (place, *sorted(pair[:2]))
        for place, row in enumerate(rows)
        for pair in comparisons(row, ties)
    }
    assert found == expected


def test_a_shuffled_comparison_with_an_unranked_response_keeps_its_distance(rankings_of):
    config = TrainConfig(batching="shuffled", ties="half", rankings_per_step=8)
    rows = [(1, 2, UNRANKED, UNRANKED)]
    batches = Batches(rankings_of(rows), config)
    assert sorted(tuple(sorted(pair.rankings[0].ranks)) for pair in batches[0]) == [
        *((1, 2), (1, 3), (1, 3)),
        *((2, 3), (2, 3)),
    ]


@pytest.mark.parametrize("ties", ["drop", "half"])
def test_pairs_in_bulk_leave_out_those_of_a_group(ties):
    rows, groups = [(1, 2, 2, 3), (1, 2)], [(0, 0, 2, 2), ()]
    found = {(place, *sorted(pair)) for place, *pair in pairs_of(rows, 2, ties, groups).tolist()}
    expected = {
        (place, *sorted(pair[:2]))
        for place, row in enumerate(rows)
        for pair in comparisons(row, ties, groups[place])
    }
    assert found == expected
    assert (0, 0, 1) not in found
