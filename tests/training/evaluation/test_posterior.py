"""Intervals of rewards: the algebra by hand, and how often they hold the truth in simulations."""

from itertools import combinations

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.sparse import csr_array

from benchmarks import intervals
from training.errors import UserError
from training.evaluation import posterior as laplace
from training.evaluation.posterior import (
    Comparisons,
    Posterior,
    eigen,
    fit,
    prior_size,
    prior_strength,
)
from training.selection import linear

FEATURES, RESPONSES, NEW = 10, 5, 200
SEEDS = 30


def ranked(dice, truth, prompts, labellers=1):
    """Features of responses, and comparisons of rankings drawn from Plackett and Luce's model."""
    features = dice.normal(size=(prompts, RESPONSES, len(truth)))
    rows = []
    for prompt, rewards in enumerate(features @ truth):
        for _ in range(labellers):
            order = np.argsort(-(rewards + dice.gumbel(size=RESPONSES)))
            rows += [(prompt, better, worse) for better, worse in combinations(order, 2)]
    prompt, better, worse = np.array(rows).T
    weight = np.full(len(rows), prompts / len(rows))  # those of a prompt add up to 1
    differences = csr_array(features[prompt, better] - features[prompt, worse])
    return Comparisons(differences, weight, prompt)


def weights_of(learned, scales):
    """The weights with the least loss, each comparison being a pair of rows of its own."""
    count = len(learned.weight_C)
    nothing = csr_array(np.zeros((1, len(scales))))
    rows = csr_array(np.vstack([learned.differences_CF.toarray(), nothing.toarray()]))
    places = np.arange(count)
    return linear.fit(
        rows.astype(np.float64), places, np.full(count, count), learned.weight_C,
        scales=scales, tolerance=1e-10,
    )  # fmt: skip


def coverage(seed, *, is_ridge=True, labellers=1, prompts=120, independent=False):
    """The share of new pairs whose true lead is in the 95 % interval."""
    dice = np.random.default_rng(seed)
    truth = dice.normal(size=FEATURES) * 0.5
    learned = ranked(dice, truth, prompts, labellers)
    held_out = ranked(dice, truth, 40, labellers)
    scales = np.full(FEATURES, 1.0 if is_ridge else 10.0)
    weights = weights_of(learned, scales)
    found, _ = fit(learned, held_out, weights, scales, is_ridge=is_ridge)
    if independent:  # as if the comparisons of a ranking were independent
        found = Posterior(scales, *known_if_independent(learned, weights, scales))
    pairs = csr_array(dice.normal(size=(NEW, FEATURES)) - dice.normal(size=(NEW, FEATURES)))
    deviations = np.sqrt(np.diagonal(found.covariance(pairs)))
    return float((np.abs(pairs @ (weights - truth)) < 1.96 * deviations).mean())


def known_if_independent(learned, weights, scales):
    root = np.sqrt(learned.curvature(weights))
    rows = csr_array(learned.differences_CF.multiply(scales).multiply(root[:, None]))
    values, directions = eigen(rows)
    return directions, values / (1 + values)


@pytest.mark.parametrize("labellers", [1, 3])
@pytest.mark.parametrize("is_ridge", [True, False])
def test_intervals_hold_the_truth_as_often_as_they_say(labellers, is_ridge):
    found = [coverage(seed, is_ridge=is_ridge, labellers=labellers) for seed in range(SEEDS)]
    assert 0.90 <= np.mean(found) <= 0.98


@pytest.mark.parametrize(("common", "least"), [(intervals.WORDS, 0.8), (100, 0.95)])
def test_intervals_hold_the_truth_where_most_words_are_rare(common, least):
    """Most of a new text is in directions that no comparison told of."""
    found = [intervals.simulate(seed, 1.5, common) for seed in range(3)]
    assert np.mean([each.held for each in found]) >= least


def test_the_size_of_weights_is_found_though_the_prior_is_wider():
    dice = np.random.default_rng(8)
    values, size, spread = np.full(4000, 2.0), 0.3, 0.1
    true = dice.normal(size=4000) * size**0.5
    fitted = (values * true + dice.normal(size=4000) * (spread * values) ** 0.5) / (1 + values)
    assert prior_size(fitted, values, spread) == pytest.approx(size, rel=0.1)


def test_without_the_overdispersion_intervals_would_be_far_too_wide():
    found = [coverage(seed, independent=True) for seed in range(10)]
    assert np.mean(found) > 0.99


def test_the_covariance_is_the_sandwich_with_the_prior():
    dice = np.random.default_rng(3)
    truth = dice.normal(size=FEATURES)
    learned, held_out = ranked(dice, truth, 50), ranked(dice, truth, 30)
    scales = np.linspace(0.5, 2.0, FEATURES)
    weights = weights_of(learned, scales)
    found, spread = fit(learned, held_out, weights, scales)
    differences = learned.differences_CF.toarray()
    hessian = differences.T @ (differences * learned.curvature(weights)[:, None])
    prior = np.diag(scales**-2)
    inverse = np.linalg.inv(hessian + prior)
    size = (found.scales_F[0] / scales[0]) ** 2
    assert found.scales_F == pytest.approx(scales * size**0.5)
    expected = inverse @ (spread * hessian + size * prior) @ inverse
    assert found.covariance(csr_array(np.eye(FEATURES))) == pytest.approx(expected, abs=1e-9)


def test_the_overdispersion_is_that_of_whole_prompts():
    dice = np.random.default_rng(4)
    truth = dice.normal(size=FEATURES)
    learned, held_out = ranked(dice, truth, 50), ranked(dice, truth, 30)
    weights = weights_of(learned, np.ones(FEATURES))
    _, spread = fit(learned, held_out, weights, np.ones(FEATURES))
    inverse = np.linalg.inv(
        learned.differences_CF.toarray().T
        @ (learned.differences_CF.toarray() * learned.curvature(weights)[:, None])
        + np.eye(FEATURES)
    )
    pulled = held_out.weight_C * held_out.losing(weights)
    pulls = held_out.differences_CF.toarray() * pulled[:, None]
    sums = np.array([pulls[held_out.prompt_C == prompt].sum(0) for prompt in range(30)])
    each = [row @ inverse @ row for row in held_out.differences_CF.toarray()]
    expected = sum(row @ inverse @ row for row in sums) / (held_out.curvature(weights) @ each)
    assert spread == pytest.approx(expected)


def test_few_directions_leave_the_prior_in_the_others(monkeypatch):
    dice = np.random.default_rng(5)
    rows = csr_array(dice.normal(size=(60, 30)))
    values, directions = eigen(rows)
    assert values == pytest.approx(np.linalg.eigvalsh((rows.T @ rows).toarray())[::-1])
    monkeypatch.setattr(laplace, "MOST_DIRECTIONS", 5)
    fewer, kept = eigen(rows)
    assert fewer == pytest.approx(values[:5], rel=0.03)
    assert np.linalg.norm(kept.T @ directions[:, :8], axis=1) == pytest.approx(np.ones(5), abs=0.05)


def test_the_prior_of_a_network_has_the_highest_marginal_likelihood():
    """Where the comparisons tell all of the weights, it is their root mean square."""
    assert prior_strength(12.0, np.full(3, 1e9)) == pytest.approx(2.0, rel=0.05)


def test_it_is_read_as_it_was_saved(tmp_path):
    dice = np.random.default_rng(6)
    made = Posterior(np.ones(4), np.linalg.qr(dice.normal(size=(4, 2)))[0], np.array([0.5, 0.25]))
    made.save(tmp_path)
    found = Posterior.load(tmp_path)
    rows = csr_array(dice.normal(size=(3, 4)))
    assert found.covariance(rows) == pytest.approx(made.covariance(rows), abs=1e-6)
    assert Posterior.load(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "shape"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    Posterior(np.ones(4), np.ones((4, 2)), np.ones(2)).save(tmp_path)
    path = tmp_path / laplace.FOLDER / laplace.FILE
    if damage in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: 40 if damage == "cut" else 0])
    elif damage == "other":
        save_file({"scales": np.ones(4, np.float32)}, path)
    else:
        path.unlink()
        path.parent.rmdir()
        Posterior(np.ones(4), np.ones((3, 2)), np.ones(2)).save(tmp_path)
    with pytest.raises(UserError, match=r"posterior\.safetensors is damaged; copy it again"):
        Posterior.load(tmp_path)


def test_without_held_out_comparisons_all_count_as_independent():
    dice = np.random.default_rng(7)
    truth = dice.normal(size=FEATURES)
    learned = ranked(dice, truth, 50)
    nothing = Comparisons(learned.differences_CF[:0], np.zeros(0), np.zeros(0, np.int64))
    weights = weights_of(learned, np.ones(FEATURES))
    for is_ridge in (True, False):
        found, spread = fit(learned, nothing, weights, np.ones(FEATURES), is_ridge=is_ridge)
        assert spread == 1
        assert np.all(np.diagonal(found.covariance(csr_array(np.eye(FEATURES)))) > 0)
