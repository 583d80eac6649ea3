"""What each step learns from."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import TrainConfig
from training.data.batching import Batches, pairs_of
from training.data.dataset import TokenizedPrompt, TokenizedRanking
from training.rankings import UNRANKED, comparisons

RANKS = [(1, 2, 3), (2, 2, 1, 3), (1, 2), (4, 1, 3, 2, 1), (1, 2, 2)]
ranks = st.lists(st.integers(1, 4), min_size=2, max_size=9)


def rankings_of(ranks):
    """Rankings whose responses stand in the prompt's lists the other way round."""
    empty = np.zeros(0, dtype=np.int32)
    return [
        TokenizedRanking(
            TokenizedPrompt(number, str(number), empty, [empty] * len(row)),
            tuple(reversed(range(len(row)))),
            row,
            None,
        )
        for number, row in enumerate(ranks)
    ]


def batches_of(**settings):
    return Batches(rankings_of(RANKS), RANKS, TrainConfig(rankings_per_step=2, **settings))


def content(step):
    """Prompt, places and ranks of each element of a step."""
    return [(ranking.prompt.id, ranking.places, ranking.ranks) for ranking in step]


def epoch_of(batches, epoch):
    steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
    return [content(batches[step]) for step in steps]


def test_an_epoch_has_every_ranking_once():
    batches = batches_of()
    first, second = epoch_of(batches, 0), epoch_of(batches, 1)
    assert [len(step) for step in first] == [2, 2, 1]
    everything = content(rankings_of(RANKS))
    assert sorted(chain(*first)) == sorted(chain(*second)) == sorted(everything)
    assert first != second


@pytest.mark.parametrize("ties", ["drop", "half", "davidson"])
def test_a_shuffled_epoch_has_every_comparison_once(ties):
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


def test_shuffled_comparisons_are_dealt_out_over_as_many_steps():
    grouped, shuffled = batches_of(), batches_of(batching="shuffled")
    assert shuffled.per_epoch == grouped.per_epoch == 3
    sizes = [len(step) for step in epoch_of(shuffled, 0)]
    total = sum(len(comparisons(row)) for row in RANKS)
    assert sum(sizes) == total
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("batching", ["grouped", "shuffled"])
def test_a_run_may_begin_at_any_step(batching):
    whole = batches_of(batching=batching)
    steps = [content(whole[step]) for step in range(9)]
    for first in (1, 4, 8):
        assert content(batches_of(batching=batching)[first]) == steps[first]


@pytest.mark.parametrize("batching", ["grouped", "shuffled"])
def test_another_seed_is_another_order(batching):
    one, other = (epoch_of(batches_of(batching=batching, seed=seed), 0) for seed in (0, 1))
    assert one != other
    assert sorted(chain(*one)) == sorted(chain(*other))


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


def test_a_shuffled_comparison_with_an_unranked_response_keeps_its_distance():
    config = TrainConfig(batching="shuffled", ties="half", rankings_per_step=8)
    rows = [(1, 2, UNRANKED, UNRANKED)]
    batches = Batches(rankings_of(rows), rows, config)
    assert sorted(tuple(sorted(pair.ranks)) for pair in batches[0]) == [
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
