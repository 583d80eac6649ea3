"""Measure how often intervals of rewards hold the truth, and where their width comes from.

    python -m benchmarks.intervals
    python -m benchmarks.intervals --run-folder var/run

The first simulates texts of rare and common words, weights of words, and rankings of 150 prompts.
The strength of the prior is the one that predicts 60 other prompts best, as cross-validation finds
it. It compares sizes of the true weights: estimated from the squares of the fitted ones alone, and
that of training/evaluation/posterior.py. The second looks at a finished run with a linear model
and its token cache beside it.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.special import expit

from training.backbones.choose import load_backbone
from training.backbones.lastlayer import LastLayer
from training.data.token_cache import open_store
from training.distributed.device import Device
from training.evaluation.intervals import LEARNED_FROM, Reader, prior
from training.evaluation.posterior import INTERVAL, Comparisons, eigen, fit, prior_size
from training.runs.folder import RunFolder
from training.selection import linear
from training.selection.learn import some_prompts

WORDS, RESPONSES, NEW, SEEDS = 1500, 5, 200, 6
SCALES = (1.0, 2.0, 3.0, 5.0, 10.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run-folder", type=Path, help="a finished run with a linear model")
    arguments = parser.parse_args()
    if arguments.run_folder:
        look_at(RunFolder(arguments.run_folder))
        return
    print("| words that count | weights | true lead | held by squares | held | half width |")
    print("|---|---|---|---|---|---|")
    for common in (WORDS, 100):
        for size in (0.7, 1.5, 3.0):
            runs = [simulate(seed, size, common) for seed in range(SEEDS)]
            found = Simulated(*np.mean(runs, axis=0))
            print(
                f"| {common} | {size} | {found.lead:.2f} | {found.held_by_squares:.0%}"
                f" | {found.held:.0%} | ±{found.half_width:.1f} |"
            )


class Simulated(NamedTuple):
    """Hold what a simulation found about pairs of new texts."""

    lead: float
    """Median true difference."""
    held_by_squares: float
    """Share of them whose 95 % interval holds it, with the size from the squares alone."""
    held: float
    half_width: float


def simulate(seed: int, size: float, common: int) -> Simulated:
    """Return how often intervals hold the truth; only so many of the commonest words count."""
    dice = np.random.default_rng(seed)
    truth = dice.normal(size=WORDS) * size
    truth[common:] = 0
    learned, judging, held_out = (ranked(dice, truth, prompts) for prompts in (150, 60, 60))
    fits = [(np.full(WORDS, scale), weights_of(learned, np.full(WORDS, scale))) for scale in SCALES]
    scales, weights = min(fits, key=lambda one: log_loss(judging, one[1]))
    posterior, spread = fit(learned, held_out, weights, scales)
    roots = np.sqrt(learned.curvature(weights))
    values, directions = eigen(
        csr_array(learned.differences_CF.multiply(scales).multiply(roots[:, None]))
    )
    squares = max(prior_size(directions.T @ (weights / scales), values, spread), 0)
    new = texts(dice, NEW)
    pairs = csr_array(new[:, 0] - new[:, 1])
    errors, leads = np.abs(pairs @ (weights - truth)), np.abs(pairs @ truth)
    deviation = np.sqrt(np.diagonal(posterior.covariance(pairs)))
    scaled = csr_array(pairs.multiply(scales))
    along = (scaled @ directions) ** 2
    outside = np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel() - along.sum(axis=1)
    inside = along @ ((spread * values + squares) / (1 + values) ** 2)
    before = np.sqrt(inside + squares * outside.clip(0))
    held = [float((errors < INTERVAL * one).mean()) for one in (before, deviation)]
    return Simulated(float(np.median(leads)), *held, INTERVAL * float(np.median(deviation)))


def texts(dice: np.random.Generator, prompts: int) -> np.ndarray:
    """Return rows of rare and common words, of length 1, as TF-IDF weights them."""
    shares = 1 / np.arange(3, WORDS + 3)
    counts = dice.poisson(40 * shares / shares.sum(), (prompts, RESPONSES, WORDS))
    rows = np.log1p(counts) * -np.log(shares)
    return rows / np.linalg.norm(rows, axis=2, keepdims=True)


def ranked(dice: np.random.Generator, truth: np.ndarray, prompts: int) -> Comparisons:
    """Return the comparisons of rankings drawn from Plackett and Luce's model."""
    features = texts(dice, prompts)
    rows = []
    for prompt, rewards in enumerate(features @ truth):
        order = np.argsort(-(rewards + dice.gumbel(size=RESPONSES)))
        rows += [(prompt, better, worse) for better, worse in combinations(order, 2)]
    prompt, better, worse = np.array(rows).T
    weight = np.full(len(rows), prompts / len(rows))
    return Comparisons(
        csr_array(features[prompt, better] - features[prompt, worse]), weight, prompt
    )


def weights_of(learned: Comparisons, scales: np.ndarray) -> np.ndarray:
    """Return the weights of a ridge regression; each comparison is a row beside one of zeros."""
    C = len(learned.weight_C)
    rows = np.vstack([learned.differences_CF.toarray(), np.zeros(len(scales))])
    places = np.arange(C), np.full(C, C)
    return linear.fit(csr_array(rows), *places, learned.weight_C, scales=scales)


def log_loss(comparisons: Comparisons, weights: np.ndarray) -> float:
    margins = comparisons.differences_CF @ weights
    return float(np.average(np.logaddexp(0, -margins), weights=comparisons.weight_C))


def look_at(folder: RunFolder) -> None:
    """Print what makes up the intervals of a run, and whether its leads come true in each part."""
    manifest, config = folder.read_manifest(), folder.read_config()
    if manifest is None or config is None or not manifest.get("choice"):
        raise SystemExit(f"{folder.path} holds no finished run with a linear model")
    backbone = load_backbone(folder.model, config, torch.device("cpu"))
    dataset = open_store(folder.token_cache, manifest["tokens_key"])
    last = LastLayer.of(backbone)
    if last is None:
        raise SystemExit(f"the model in {folder.path} is linear in nothing")
    reader = Reader(last, Device.choose(config), 1 << 15, "drop")
    sample = some_prompts(dataset.train, LEARNED_FROM)
    learned = reader.comparisons(sample)[0]
    held_out = reader.comparisons(some_prompts(dataset.held_out, LEARNED_FROM))[0]
    [chosen] = [
        one
        for one in manifest["choice"]["candidates"]
        if one["parts"] == manifest["choice"]["chosen"]
    ]
    weights = np.concatenate(list(last.weights.values()))
    scales = prior(last, chosen["strengths"], backbone.model.named.std)
    factor = dataset.counts.train_prompts / sample.count_prompts()
    posterior, spread = fit(learned, held_out, weights, scales, factor=factor)
    size = float((posterior.scales_F[-1] / scales[-1]) ** 2)
    rows = csr_array(held_out.differences_CF.multiply(posterior.scales_F))
    along = (rows @ posterior.directions_FE) ** 2
    whole = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
    parts = {
        "all": whole - along @ posterior.known_E,
        "learned directions": along @ (1 - posterior.known_E),
        "all others": whole - along.sum(axis=1),
    }
    print(f"overdispersion f {spread:.4f}, size s {size:.4f}")
    for name, variances in parts.items():
        print(f"half width, {name}: ±{INTERVAL * np.sqrt(np.median(variances.clip(0))):.2f}")
    found = (rows @ posterior.directions_FE) @ (
        posterior.directions_FE.T @ (weights / posterior.scales_F)
    )
    leads = np.stack([found, held_out.differences_CF @ weights - found], axis=1)
    slopes, errors = calibration_slopes(leads, held_out)
    for name, slope, error in zip(list(parts)[1:], slopes, errors, strict=True):
        print(f"slope of held-out comparisons on the lead from {name}: {slope:.2f} ± {error:.2f}")


def calibration_slopes(leads: np.ndarray, held_out: Comparisons) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients of a logistic regression on leads, and standard errors by prompt."""
    slopes = np.ones(leads.shape[1])
    for _ in range(25):
        losing = expit(-leads @ slopes)
        pulls = leads * (held_out.weight_C * losing)[:, None]
        curved = leads * (held_out.weight_C * losing * (1 - losing))[:, None]
        inverse = np.linalg.inv(leads.T @ curved)
        slopes = slopes + inverse @ pulls.sum(axis=0)
    by_prompt = np.zeros((held_out.prompt_C.max() + 1, len(slopes)))
    np.add.at(by_prompt, held_out.prompt_C, pulls)
    return slopes, np.sqrt(np.diagonal(inverse @ by_prompt.T @ by_prompt @ inverse))


if __name__ == "__main__":
    main()
