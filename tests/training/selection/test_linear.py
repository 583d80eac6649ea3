"""The linear model: its table and its fit, its choice by cross-validation, and its weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from tests.training.tiny import TEXTS, ranking_lines, tiny_dataset
from training.backbones.scratch import ScratchBackbone
from training.backbones.textfeatures import FEATURES
from training.config import TrainConfig
from training.data.dataset import TokenizedPrompt, TokenizedRanking
from training.data.examples import Example
from training.rankings import agreement
from training.runs.folder import RunFolder
from training.runs.progress import Reporter
from training.selection import learn
from training.selection.choose import (
    FOLDS,
    Candidate,
    Validator,
    best,
    choose,
    loss_by_prompt,
)
from training.selection.learn import learn_linear, set_weights, some_prompts
from training.selection.linear import LENGTH, LENGTH_MEAN, Design, Strengths, fit
from training.selection.table import read_table, weighted_comparisons

BUCKETS = 1 << 17
BOTH = Strengths(named=1.0, words=3.0)


@pytest.fixture
def dataset(tmp_path):
    return tiny_dataset(tmp_path, ranking_lines(40), held_out_fraction=0.3)


@pytest.fixture
def backbone():
    """A model that has the dataset's tokenizer, but has learned nothing."""
    config = TrainConfig(backbone="features", vocabulary=400)
    return ScratchBackbone.create(config, iter(TEXTS), torch.device("cpu"))


@pytest.fixture
def table(dataset, backbone):
    return read_table(dataset.train, backbone.model.vocabulary, BUCKETS, "drop")


@pytest.fixture
def reporter(tmp_path):
    return Reporter(RunFolder(tmp_path / "run"), bar=False, silent=True)


def ranking_of(*ranks, labeller="ann"):
    places = tuple(range(len(ranks)))
    return TokenizedRanking(TokenizedPrompt(1, "", np.zeros(1, np.int32)), places, ranks, labeller)


def test_a_prompt_counts_once_however_many_rank_it():
    one = dict_of(weighted_comparisons([ranking_of(1, 2, 3)], "drop"))
    assert one == pytest.approx({(0, 1): 1 / 3, (0, 2): 1 / 3, (1, 2): 1 / 3})
    rankings = [ranking_of(1, 2), ranking_of(1, 2), ranking_of(1, 2), ranking_of(2, 1)]
    assert dict_of(weighted_comparisons(rankings, "drop")) == {(0, 1): 0.75, (1, 0): 0.25}


def test_ties_count_half_in_either_direction_or_not_at_all():
    assert dict_of(weighted_comparisons([ranking_of(1, 1, 2)], "half")) == pytest.approx(
        {(0, 1): 1 / 6, (1, 0): 1 / 6, (0, 2): 1 / 3, (1, 2): 1 / 3}
    )
    for ties in ("drop", "davidson"):
        found = dict_of(weighted_comparisons([ranking_of(1, 1, 2)], ties))
        assert found == {(0, 2): 0.5, (1, 2): 0.5}


def dict_of(comparisons):
    return {(better, worse): weight for better, worse, weight in comparisons}


def test_the_table_has_each_response_once_and_weights_of_one_a_prompt(table, dataset):
    prompts = list(dataset.train.by_prompt(texts=False))
    assert len(table.named_MF) == sum(len(prompt.responses) for prompt, _ in prompts)
    assert table.prompts == len(prompts)
    of_prompts = np.bincount(table.prompt_C, table.weight_C, table.prompts)
    assert of_prompts == pytest.approx(np.ones(table.prompts))
    assert (table.prompt_M[table.better_C] == table.prompt_M[table.worse_C]).all()


def test_the_fit_is_that_of_ridge_logistic_regression(table):
    design = Design(table)
    scales = np.repeat([BOTH.named, BOTH.words], list(design.sizes.values()))
    features = design.features_MF.toarray() * scales
    differences = features[table.better_C] - features[table.worse_C]
    # Mirrored, because scikit-learn wants both classes.
    expected = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-8, max_iter=5000).fit(
        np.concatenate([differences, -differences]),
        np.repeat([1, 0], len(table.weight_C)),
        sample_weight=np.tile(table.weight_C, 2),
    )
    compared = table.better_C, table.worse_C, table.weight_C
    found = fit(design.features_MF, *compared, scales=scales)
    rewards = design.rewards(found), design.rewards(expected.coef_[0] * scales)
    assert np.corrcoef(*rewards)[0, 1] > 0.9999
    np.testing.assert_allclose(*rewards, atol=0.02)


def test_weights_are_drawn_to_their_expected_values(table):
    """At the minimum the pull of the comparisons is that of the prior."""
    design = Design(table)
    scales, means = (
        np.full(sum(design.sizes.values()), 0.5),
        np.full(sum(design.sizes.values()), 0.3),
    )
    compared = table.better_C, table.worse_C, table.weight_C
    found = fit(design.features_MF, *compared, scales=scales, means=means, tolerance=1e-12)
    features = design.features_MF.toarray()
    differences = features[table.better_C] - features[table.worse_C]
    pull = differences.T @ (table.weight_C * expit(-differences @ found))
    np.testing.assert_allclose(pull, (found - means) / scales**2, atol=0.01)


@pytest.mark.parametrize("strengths", [Strengths(named=0.03), Strengths(named=0.03, words=0.3)])
def test_without_evidence_a_longer_response_is_better(table, strengths):
    """Two comparisons say little, and where nothing is known, length decides."""
    design = Design(table)
    weights = design.fit(strengths, np.arange(len(table.better_C)) < 2)
    length = weights[LENGTH] / design.named.scale_[LENGTH]
    assert length == pytest.approx(LENGTH_MEAN, abs=0.1)
    others = np.delete(weights, LENGTH) * design.features_MF.max()
    assert np.abs(others).max() < abs(weights[LENGTH])


def test_many_rankings_overrule_the_expected_weight_of_the_length(table):
    """The shorter response is better in all of them."""
    lengths = table.named_MF[:, LENGTH]
    by_length = np.sort([table.better_C, table.worse_C], axis=0)
    longer = lengths[by_length[0]] > lengths[by_length[1]]
    better, worse = np.where(longer, by_length[::-1], by_length)
    shorter = replace(table, better_C=better, worse_C=worse)
    assert Design(shorter).fit(Strengths(named=0.03))[LENGTH] < 0


def test_a_part_without_strength_has_no_weights(table):
    weights = Design(table).fit(Strengths(named=1.0))
    assert weights[: len(FEATURES)].any()
    assert not weights[len(FEATURES) :].any()


def test_each_prompt_is_judged_by_a_model_that_did_not_see_it(table):
    design = Design(table)
    validator = Validator(design, lambda: None)
    found = validator.validate(BOTH)
    fold = validator.folds_Q[table.prompt_M]
    assert set(fold) == set(range(FOLDS))
    others = design.fit(BOTH, validator.folds_Q[table.prompt_C] != 2)
    expected = design.rewards(others)[fold == 2]
    np.testing.assert_allclose(found.rewards_M[fold == 2], expected, atol=0.01)


def test_the_part_that_tells_responses_apart_is_chosen(table):
    """The planted word alone decides, and no feature of the text tells it."""
    choice = choose(table)
    assert choice.chosen.parts == ["named", "words"]
    found = choice.to_json()
    assert found["chosen"] == ["named", "words"]
    assert [each["parts"] for each in found["candidates"]] == [["named"], ["named", "words"]]
    assert found["candidates"][1]["accuracy"] > 0.8
    simple, richer = found["candidates"]
    assert simple["gain"] > 0
    assert simple["log_loss_gain"] == pytest.approx(simple["log_loss"] - richer["log_loss"])
    for name in ("accuracy", "log_loss", "gain", "log_loss_gain"):
        assert simple[f"{name}_low"] < simple[name] < simple[f"{name}_high"]
    assert richer["gain_low"] == richer["log_loss_gain_high"] == 0


def test_a_richer_model_must_be_better_by_more_than_chance(table):
    """All prompts agree on the gain of the one, and the other gains on a single prompt."""
    lead = np.ones(len(table.better_C))
    simple, richer = (Candidate(BOTH, np.zeros(0), margin * lead) for margin in (1.0, 1.1))
    assert best(table, [simple, richer]) is richer
    assert best(table, [richer, simple]) is richer
    margins = np.select([table.prompt_C == 0, table.prompt_C == 1], [3.0, 0.9], 1.0)
    uneven = Candidate(BOTH, np.zeros(0), margins)
    assert loss_by_prompt(table, uneven).sum() < loss_by_prompt(table, simple).sum()
    assert best(table, [simple, uneven]) is simple


def test_a_part_of_many_prompts_is_drawn(dataset):
    train = dataset.train
    rows, counts = train.count_responses()
    assert some_prompts(train, int(counts.sum())) is train
    part = some_prompts(train, int(counts.sum()) // 2)
    assert 0.3 < len(set(part.prompt_rows)) / len(rows) < 0.6
    assert part.count_responses()[1].sum() <= counts.sum() // 2
    assert [tuple(part.ranks[place]) for place in range(len(part))] == [one.ranks for one in part]
    assert len(set(some_prompts(train, 1).prompt_rows)) == 1


def test_it_learns_from_all_prompts_where_it_chooses_among_some(
    dataset, backbone, reporter, monkeypatch
):
    monkeypatch.setattr(learn, "CHOSEN_FROM", 60)
    config = TrainConfig(backbone="auto", vocabulary=400, network_from=1)
    choice = learn_linear(backbone.model, dataset.train, config, reporter)
    assert choice["prompts"] < dataset.counts.train_prompts
    responses = dataset.train.count_responses()[1].sum()
    assert 0.9 * responses < len(backbone.model.known) <= responses  # some are alike


def test_the_model_gives_the_rewards_of_the_design(table, dataset, backbone):
    design = Design(table)
    weights = design.fit(BOTH)
    set_weights(backbone.model, design, weights)
    examples = [prompt for prompt, _ in dataset.train.by_prompt(texts=False)]
    found = [reward for prompt in examples for reward in rewards_of(backbone, prompt)]
    assert found == pytest.approx(design.rewards(weights).tolist(), abs=1e-4)


def rewards_of(backbone, prompt):
    with torch.no_grad():
        return backbone.rewards([Example(prompt.tokens, prompt.responses)])[0].tolist()


def test_what_it_learns_holds_for_prompts_that_it_did_not_see(dataset, backbone, reporter):
    config = TrainConfig(backbone="features", vocabulary=400)
    choice = learn_linear(backbone.model, dataset.train, config, reporter)
    assert choice["prompts"] == dataset.counts.train_prompts
    found = [
        agreement(
            ranking.ranks, [rewards_of(backbone, ranking.prompt)[place] for place in ranking.places]
        )
        for ranking in dataset.held_out
    ]
    assert sum(each.agreed for each in found) / sum(each.comparisons for each in found) > 0.8
