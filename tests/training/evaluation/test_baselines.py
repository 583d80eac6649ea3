"""Counting words: what a reward model must beat."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from tests.training.evaluation.test_evaluate import prompt_of
from tests.training.tiny import ranking_lines, tiny_dataset
from training.evaluation import baselines
from training.evaluation.baselines import (
    STRENGTH,
    TOLERANCE,
    simple_features,
    word_count_rewards,
)
from training.rankings import agreement
from training.selection.linear import fit


def accuracy(dataset):
    rewards, _ = word_count_rewards(dataset)
    found = [
        agreement(
            ranking.ranks,
            [rewards[ranking.prompt.content_hash][place] for place in ranking.places],
        )
        for ranking in dataset.held_out
    ]
    return sum(each.agreed for each in found) / sum(each.comparisons for each in found)


def test_it_learns_a_planted_word(tmp_path):
    """Rankings go by how often a response says "good", and length is left to chance."""
    assert accuracy(tiny_dataset(tmp_path, ranking_lines(60), held_out_fraction=0.3)) > 0.8


def test_a_reward_for_each_held_out_response(tmp_path):
    dataset = tiny_dataset(tmp_path)
    rewards, rankings = word_count_rewards(dataset)
    assert rankings == len(dataset.train)
    assert {name: len(row) for name, row in rewards.items()} == {
        prompt.content_hash: len(prompt.texts) for prompt in dataset.held_out_prompts()
    }


def test_the_same_data_gives_the_same_numbers(tmp_path):
    dataset = tiny_dataset(tmp_path)
    assert word_count_rewards(dataset) == word_count_rewards(dataset)


def test_of_many_rankings_it_learns_from_some(tmp_path, monkeypatch):
    dataset = tiny_dataset(tmp_path, ranking_lines(60))
    monkeypatch.setattr(baselines, "RANKINGS_LEARNED", 20)
    _, rankings = word_count_rewards(dataset)
    assert 15 <= rankings <= 20


def test_texts_without_a_word_are_counted_too(tmp_path):
    responses = [{"id": text, "text": text} for text in ("!", "?!", " \U0001f600")]
    line = {"responses": responses, "ranking": [["!"], ["?!", " \U0001f600"]]}
    lines = [line | {"prompt": f"{number}?"} for number in range(6)]
    assert accuracy(tiny_dataset(tmp_path, lines)) == 1.0


def test_the_weights_are_those_of_logistic_regression_on_differences():
    random = np.random.default_rng(0)
    features = csr_array(random.normal(size=(30, 5)))
    places = random.permuted(np.tile(np.arange(30), (40, 1)), axis=1)[:, :2]
    differences = (features[places[:, 0]] - features[places[:, 1]]).toarray()
    signs = np.where(np.arange(40) % 2, 1, -1)  # it wants two classes
    reference = LogisticRegression(C=STRENGTH, fit_intercept=False, tol=1e-8)
    reference.fit(differences * signs[:, None], signs)
    weights = fit(
        features, *places.T, np.full(40, STRENGTH), scales=np.ones(5), tolerance=TOLERANCE
    )
    assert weights == pytest.approx(reference.coef_[0], abs=1e-4)


def test_the_simple_features_of_a_text():
    text = "# Tea\n- Boil **water**\n2. Pour it"
    prompt = prompt_of("p", [len(text)])
    prompt.messages = [{"role": "user", "content": "How is TEA made with water?"}]
    prompt.texts = [text]
    (found,) = simple_features([prompt])
    # Tea, Boil, water, 2, Pour, it; two of the six words of the prompt.
    assert np.expm1(found[:5]) == pytest.approx([len(text), 6, 2, 2, 3])
    assert found[5:] == pytest.approx([(3 + 4 + 5 + 1 + 4 + 2) / 6, 2 / 6])
