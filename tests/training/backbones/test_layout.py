"""Layouts put every token, position and end where it belongs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.backbones.layout import (
    memory_rows,
    memory_size,
    padded_rows,
    padded_size,
    response_mask,
    scatter_rewards,
    shared_row,
    shared_size,
)
from training.backbones.shared_prefix import RankingSpan, ResponseRun
from training.data.examples import Example
from training.data.packing import buckets


def example(prompt, *responses):
    return Example(np.array(prompt, dtype=np.int32), [np.array(r, np.int32) for r in responses])


TWO = [example([1, 2, 3], [4, 5], [6]), example([7], [8, 9, 10], [11], [12, 13])]

lengths = st.lists(
    st.tuples(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=5)),
    min_size=1,
    max_size=12,
)


def test_a_row_holds_each_prompt_once_and_every_response():
    assert shared_row(TWO).tokens_1T.tolist() == [list(range(1, 14))]


def test_positions_of_every_response_continue_the_prompt():
    assert shared_row(TWO).positions_1T.tolist() == [[0, 1, 2, 3, 4, 3, 0, 1, 2, 3, 1, 1, 2]]


def test_a_reward_is_read_at_the_responses_last_token():
    row = shared_row(TWO)
    assert row.ends_B.tolist() == [4, 5, 9, 10, 12]
    assert row.tokens_1T[0, row.ends_B].tolist() == [5, 6, 10, 11, 13]


def test_neighbouring_responses_of_one_length_are_one_run():
    row = shared_row([example([1, 2], [3, 4], [5, 6], [7]), example([8], [9])])
    assert row.rankings == (
        RankingSpan(0, 2, (ResponseRun(2, 2, 2), ResponseRun(6, 1, 1))),
        RankingSpan(7, 8, (ResponseRun(8, 1, 1),)),
    )


def test_a_row_is_padded_with_a_prompt_without_responses():
    row = shared_row(TWO, pad=99, multiple=8)
    assert row.tokens_1T[0, 13:].tolist() == [99, 99, 99]
    assert row.positions_1T.shape == (1, 16)
    assert row.rankings[2:] == (RankingSpan(13, 16, ()),)
    assert row.ends_B.tolist() == shared_row(TWO).ends_B.tolist()


def test_rewards_are_scattered_over_rankings():
    rewards = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    assert scatter_rewards(rewards, TWO).tolist() == [[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]]


def test_padded_rows_hold_one_response_each():
    rows = padded_rows(TWO, pad=99)
    assert rows.tokens_BT.tolist()[:2] == [[1, 2, 3, 4, 5], [1, 2, 3, 6, 99]]
    assert rows.attention_BT.tolist()[:2] == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    assert rows.ends_B.tolist() == [4, 3, 3, 1, 2]


def test_memory_rows_hold_prompts_beside_responses():
    rows = memory_rows(TWO, pad=99)
    assert rows.prompts_NP.tolist() == [[1, 2, 3], [7, 99, 99]]
    assert rows.prompt_lengths_N.tolist() == [3, 1]
    assert rows.responses_NKR[0].tolist() == [[4, 5, 99], [6, 99, 99], [99, 99, 99]]
    assert rows.ends_NK.tolist() == [[1, 0, 0], [2, 0, 1]]


def test_the_mask_is_false_for_absent_responses():
    assert response_mask(TWO).tolist() == [[True, True, False], [True, True, True]]


def test_sizes_equal_the_numbers_of_tokens():
    memory = memory_rows(TWO, pad=0)
    assert shared_size(TWO) == shared_row(TWO).tokens_1T.numel()
    assert padded_size(TWO) == padded_rows(TWO, pad=0).tokens_BT.numel()
    assert memory_size(TWO) == memory.prompts_NP.numel() + memory.responses_NKR.numel()


@pytest.mark.parametrize("size", [shared_size, padded_size, memory_size])
@given(lengths=lengths, budget=st.integers(1, 200))
def test_buckets_hold_every_example_once_within_the_budget(size, lengths, budget):
    examples = [example(range(P), *[range(R) for R in responses]) for P, responses in lengths]
    found = list(buckets(examples, size, budget))
    assert sorted(place for bucket in found for place in bucket) == list(range(len(examples)))
    for bucket in found:
        assert len(bucket) == 1 or size([examples[place] for place in bucket]) <= budget


def test_a_bucket_holds_examples_of_similar_length():
    examples = [example(range(n), [1]) for n in (1, 9, 2, 8)]
    assert list(buckets(examples, shared_size, budget=20)) == [[1, 3], [2, 0]]
