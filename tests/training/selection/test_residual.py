"""A network beside linear parts: who judges it, and when it is kept."""

import numpy as np
import pytest
import torch

from tests.training.tiny import TEXTS, ranking_lines, tiny_dataset
from training.backbones.scratch import ScratchBackbone
from training.config import TrainConfig
from training.selection.residual import SCALES, judge, know, load_known, save_known
from training.selection.validation import split_off


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return tiny_dataset(tmp_path_factory.mktemp("data"), ranking_lines(60))


def rewards(rankings, of):
    """Return the rewards of each prompt's responses, given a function of their ranks."""
    found = {}
    for prompt, (ranking, *_) in rankings.by_prompt():
        row = [0.0] * len(prompt.responses)
        for place, rank in zip(ranking.places, ranking.ranks, strict=True):
            row[place] = of(rank)
        found[prompt.content_hash] = row
    return found


def test_the_prompts_that_judge_are_a_fifth_and_not_learned_from(dataset):
    learned, judging = split_off(dataset.train)
    assert len(learned) + len(judging) == len(dataset.train)
    assert not set(learned.prompt_rows) & set(judging.prompt_rows)
    prompts = len(set(dataset.train.prompt_rows))
    assert len(set(judging.prompt_rows)) == prompts // 5
    again, _ = split_off(dataset.train)
    assert (again.prompt_rows == learned.prompt_rows).all()
    whole = {tuple(ranking.ranks) + tuple(ranking.places) for ranking in dataset.train}
    assert all(tuple(each.ranks) + tuple(each.places) in whole for each in judging)
    assert [list(judging.ranks[place]) for place in range(len(judging))] == [
        list(each.ranks) for each in judging
    ]


def test_a_network_that_knows_more_is_kept(dataset):
    judging = dataset.train
    found = judge(judging, rewards(judging, lambda rank: 0.0), rewards(judging, lambda rank: -rank))
    assert found["factor"] == max(SCALES)
    assert found["log_loss_gain"] > found["log_loss_gain_low"] > 0
    assert found["accuracy_before"] == 0.5
    assert found["accuracy_after"] == 1.0


@pytest.mark.parametrize(
    "network", [lambda rank: 0.0, lambda rank: rank], ids=["nothing", "the reverse"]
)
def test_a_network_that_does_not_help_is_dropped(dataset, network):
    judging = dataset.train
    found = judge(judging, rewards(judging, lambda rank: -rank), rewards(judging, network))
    assert found["factor"] == 0
    assert found["log_loss_gain"] <= 0


@pytest.mark.parametrize("count", [0, 3])
def test_known_rewards_are_saved_and_loaded(dataset, tmp_path, count):
    config = TrainConfig(backbone="features", vocabulary=400)
    model = ScratchBackbone.create(config, iter(TEXTS), torch.device("cpu")).model
    responses = sum(len(prompt.responses) for prompt, _ in dataset.train.by_prompt())
    if count:
        know(model, dataset.train, np.arange(responses) / 7)
        assert 0 < len(model.known) <= responses
    known = dict(model.known)
    save_known(model, tmp_path)
    model.known = {}
    load_known(model, tmp_path)
    assert model.known == known
