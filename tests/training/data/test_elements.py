"""Rankings are learned together where their texts are the same."""

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.elements import (
    Members,
    largest_sets,
    numbered,
    pairs_of_responses,
    sets_of_responses,
)

sets = st.lists(st.frozensets(st.integers(0, 5), min_size=2), min_size=1, max_size=9)


@given(sets=sets)
def test_each_set_belongs_to_the_largest_that_includes_it(sets):
    found = largest_sets(sets)
    for place, belongs_to in enumerate(found):
        assert sets[place] <= sets[belongs_to]
        assert not any(sets[belongs_to] < other for other in sets)
        assert found[belongs_to] == belongs_to == sets.index(sets[belongs_to])


@given(names=st.lists(st.integers(-3, 3), min_size=1))
def test_keys_are_numbered_in_the_order_in_which_they_come(names):
    in_order = list(dict.fromkeys(names))
    assert numbered(np.array(names)).tolist() == [in_order.index(name) for name in names]


def test_members_are_listed_by_element():
    members = Members(np.array([0, 1, 0, 2, 1, 0]))
    assert len(members) == 3
    assert [members[element] for element in range(3)] == [[0, 2, 5], [1, 4], [3]]


def test_the_same_responses_of_two_prompts_are_two_sets():
    places = [np.array(each) for each in ((0, 1), (1, 0), (0, 1), (0, 1, 2), (3, 4))]
    assert sets_of_responses(np.array([0, 0, 1, 1, 1]), places).tolist() == [0, 0, 1, 1, 2]


def test_a_pair_in_two_sets_is_two_pairs():
    places = [np.array(each) for each in ((0, 1, 2), (2, 1, 0), (0, 1, 3))]
    pairs = np.array([(0, 0, 1), (0, 1, 2), (1, 1, 2), (2, 0, 1)], np.int32)
    assert pairs_of_responses(pairs, np.array([0, 0, 1]), places).tolist() == [0, 1, 0, 2]


def test_a_hundred_thousand_rankings_take_little_memory():
    places = [np.array(each) for each in np.random.default_rng(0).integers(0, 60, (100_000, 3))]
    rows = np.repeat(np.arange(1000), 100)
    tracemalloc.start()
    numbers = sets_of_responses(rows, places)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(numbers) == 100_000
    assert peak < 10_000_000
