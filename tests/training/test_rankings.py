"""Rankings as comparisons, and the split by prompt."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.aggregation import choose, majority
from training.rankings import (
    UNRANKED,
    Comparison,
    Ranking,
    agreement,
    below_the_ranked,
    comparisons,
    prompt_hash,
)
from training.splits import held_out_hashes, split_position

ranks = st.lists(st.integers(1, 5), max_size=9)
hashes = st.lists(st.text("0123456789abcdef", min_size=4, max_size=8), max_size=40, unique=True)


def test_the_better_response_comes_first():
    assert comparisons([2, 1]) == [Comparison(better=1, worse=0, target=1.0)]


def test_tied_pairs_are_dropped():
    assert comparisons([1, 2, 2]) == [(0, 1, 1.0), (0, 2, 1.0)]


@pytest.mark.parametrize("ties", ["half", "davidson"])
def test_tied_pairs_can_be_comparisons_too(ties):
    assert comparisons([1, 2, 2], ties) == [(0, 1, 1.0), (0, 2, 1.0), (1, 2, 0.5)]


@pytest.mark.parametrize("ties", ["drop", "half", "davidson"])
def test_an_all_tied_ranking_has_no_comparison(ties):
    assert comparisons([1, 1, 1, 1], ties) == []


@pytest.mark.parametrize("ties", ["drop", "half", "davidson"])
def test_unranked_responses_are_below_the_others_and_not_compared_with_each_other(ties):
    found = comparisons([UNRANKED, 1, 2, UNRANKED], ties)
    assert {pair[:2] for pair in found} == {(1, 2), (1, 0), (1, 3), (2, 0), (2, 3)}
    assert {pair.target for pair in found} == {1.0}
    assert comparisons([UNRANKED, UNRANKED], ties) == []
    assert below_the_ranked([UNRANKED, 1, 2, UNRANKED]) == (3, 1, 2, 3)


@given(ranks)
def test_every_pair_of_different_ranks_is_there_once(ranks):
    expected = {
        (i, j) if ranks[i] < ranks[j] else (j, i)
        for i, j in combinations(range(len(ranks)), 2)
        if ranks[i] != ranks[j]
    }
    found = comparisons(ranks)
    assert len(found) == len(expected)
    assert {(pair.better, pair.worse) for pair in found} == expected


@given(ranks)
def test_half_adds_the_tied_pairs_and_nothing_else(ranks):
    dropped, kept = comparisons(ranks), comparisons(ranks, "half")
    assert [pair for pair in kept if pair.target == 1.0] == dropped
    if dropped:
        assert len(kept) == len(ranks) * (len(ranks) - 1) // 2


def test_a_rank_for_each_response():
    with pytest.raises(ValueError, match="2 responses but 1 ranks"):
        Ranking(responses=("a", "b"), ranks=(1,))


def test_ranks_start_at_one():
    with pytest.raises(ValueError, match="at least 1"):
        Ranking(responses=("a", "b"), ranks=(0, 1))


def test_agreement_counts_equal_scores_half():
    assert agreement([1, 2, 3], [5.0, 1.0, 1.0]) == (2.5, 3)


def test_agreement_leaves_ties_out():
    assert agreement([1, 1, 2], [0.0, 9.0, 5.0]) == (1.0, 2)


@given(ranks)
def test_scores_in_order_of_rank_agree_wholly(ranks):
    found = agreement(ranks, [-rank for rank in ranks])
    assert found.agreed == found.comparisons


def test_a_prompts_hash_is_that_of_roles_and_contents():
    plain = [{"role": "user", "content": "héllo"}]
    assert prompt_hash(plain) == prompt_hash([{"content": "héllo", "role": "user", "name": "x"}])
    assert prompt_hash(plain) != prompt_hash([{"role": "system", "content": "héllo"}])


@given(hashes, st.floats(0.01, 0.9))
def test_neither_side_is_empty_from_two_prompts_on(hashes, fraction):
    held_out = held_out_hashes(hashes, fraction)
    assert held_out <= set(hashes)
    if len(hashes) >= 2:
        assert 0 < len(held_out) < len(hashes)


@given(hashes, hashes)
def test_a_prompt_keeps_its_side_as_data_grows(first, second):
    fraction = 0.5
    before, after = held_out_hashes(first, fraction), held_out_hashes(first + second, fraction)
    on_both_sides = any(split_position(text) < fraction for text in first) and any(
        split_position(text) >= fraction for text in first
    )
    if on_both_sides:
        assert before == after & set(first)


def test_about_the_fraction_is_held_out():
    hashes = [prompt_hash([{"role": "user", "content": str(number)}]) for number in range(2000)]
    assert 340 < len(held_out_hashes(hashes, 0.2)) < 460


def test_another_split_holds_out_other_prompts():
    hashes = [str(number) for number in range(100)]
    assert held_out_hashes(hashes, 0.2, split=0) != held_out_hashes(hashes, 0.2, split=1)


@given(st.sets(st.text("0123456789abcdef", min_size=1), min_size=2, max_size=40), st.data())
def test_folds_are_equal_parts_that_hold_out_each_once(hashes, data):
    folds = data.draw(st.integers(2, min(len(hashes), 7)))
    parts = [held_out_hashes(hashes, 0.3, split, folds) for split in range(folds)]
    assert sorted(name for part in parts for name in part) == sorted(hashes)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


# The choice of verdicts


@st.composite
def of_one_set(draw, least=1):
    """Rankings of the same responses by different labellers, ties and gaps included."""
    size = draw(st.integers(2, 6))
    rows = draw(st.lists(st.lists(st.integers(1, 6), min_size=size, max_size=size), min_size=least))
    return [Ranking(tuple(range(size)), tuple(row), f"labeller {n}") for n, row in enumerate(rows)]


def order_of(ranking):
    """The rank of each response."""
    return dict(zip(ranking.responses, ranking.ranks, strict=True))


def lead(rankings, one, other):
    """Return how many more labellers rank the one above the other than below it."""
    found = [order_of(ranking) for ranking in rankings]
    return sum((row[one] < row[other]) - (row[one] > row[other]) for row in found)


@given(of_one_set(least=2), st.randoms())
def test_the_majority_does_not_depend_on_any_order(rankings, random):
    shuffled = random.sample(rankings, len(rankings))
    places = random.sample(range(len(rankings[0].responses)), len(rankings[0].responses))
    turned = [
        Ranking(tuple(one.responses[i] for i in places), tuple(one.ranks[i] for i in places))
        for one in shuffled
    ]
    assert order_of(majority(turned)) == order_of(majority(rankings))


@given(of_one_set(), st.integers(2, 5))
def test_what_all_say_the_majority_says(rankings, voices):
    one = rankings[0]
    found = order_of(majority([one] * voices))
    ranks = order_of(one)
    for first, second in combinations(one.responses, 2):
        assert (found[first] < found[second]) == (ranks[first] < ranks[second])
        assert (found[first] == found[second]) == (ranks[first] == ranks[second])


@given(of_one_set(least=2))
def test_who_beats_everybody_comes_first_alone_and_who_loses_to_all_comes_last(rankings):
    found = order_of(majority(rankings))
    for one in rankings[0].responses:
        leads = [lead(rankings, one, other) for other in rankings[0].responses if other != one]
        if all(found_lead > 0 for found_lead in leads):
            assert [name for name, rank in found.items() if rank == 1] == [one]
        if all(found_lead < 0 for found_lead in leads):
            assert [name for name, rank in found.items() if rank == max(found.values())] == [one]


@given(of_one_set(least=2))
def test_the_ranks_of_the_majority_leave_none_out(rankings):
    assert set(majority(rankings).ranks) == set(range(1, max(majority(rankings).ranks) + 1))


@given(of_one_set())
def test_the_majority_of_one_is_that_one(rankings):
    assert majority(rankings[:1]) is rankings[0]


def test_a_circle_of_majorities_is_a_tie():
    circle = [(1, 2, 3), (3, 1, 2), (2, 3, 1)]
    found = majority([Ranking((7, 8, 9), ranks) for ranks in circle])
    assert (found.ranks, found.labeller, found.kind) == ((1, 1, 1), "majority of 3", "majority")


def test_copelands_scores_by_hand():
    # A beats B and C (2:1 each); B and C are level (1:1, one ties them); D loses to all.
    found = majority(
        [Ranking(tuple("ABCD"), r) for r in ((1, 2, 3, 4), (1, 3, 2, 4), (2, 1, 1, 3))]
    )
    assert found.ranks == (1, 2, 2, 3)


ANN, BOB = Ranking((1, 2), (1, 2), "ann"), Ranking((2, 1), (2, 1), "bob")
CLEO = Ranking((1, 2), (2, 1), "cleo")
JUDGED = Ranking((1, 2), (2, 1), "lead", "adjudicated")
OTHER_SET = Ranking((1, 3), (1, 2), "ann")


def test_the_majority_leaves_unranked_what_nobody_ranked():
    rankings = [Ranking((1, 2, 3, 4), (1, 2, UNRANKED, UNRANKED)) for _ in range(2)]
    assert majority(rankings).ranks == (1, 2, UNRANKED, UNRANKED)
    # The third one says how C and D stand to each other.
    assert majority([*rankings, Ranking((1, 2, 3, 4), (1, 2, 4, 3))]).ranks == (1, 2, 4, 3)


def test_all_are_all():
    rankings = [ANN, BOB, JUDGED, OTHER_SET]
    assert choose(rankings, "all") == rankings


def test_the_majority_is_that_of_labellers_and_of_each_set_its_own():
    combined = Ranking((1, 2), (1, 2), "majority of 3", "majority")
    assert choose([ANN, BOB, CLEO, JUDGED, OTHER_SET], "majority") == [combined, OTHER_SET]


def test_a_set_that_was_only_adjudicated_has_no_majority():
    assert choose([JUDGED, OTHER_SET], "majority") == [OTHER_SET]


def test_an_adjudicated_ranking_stands_for_its_set_and_for_no_other():
    assert choose([ANN, BOB, JUDGED, OTHER_SET], "adjudicated") == [JUDGED, OTHER_SET]
    assert choose([ANN, BOB], "adjudicated") == [ANN, BOB]
