"""Baselines of a run, and its results for people to look at."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.evaluation.baselines import count_prompts, word_count_rewards
from training.evaluation.error_analysis import errors_table, texts_table, worst_errors
from training.evaluation.evaluate import Evaluation
from training.evaluation.formatting import duration
from training.evaluation.metrics import agreed
from training.evaluation.reliability import reliability_diagram
from training.evaluation.report import report
from training.runs.folder import RunFolder
from training.runs.progress import MetricLog, Reporter

TEXTS_SHOWN = 8
"""Held-out prompts shown in TensorBoard."""


def baselines(
    evaluation: Evaluation, dataset: Dataset, reporter: Reporter, *, count_words: bool
) -> dict[str, NDArray[np.float64]]:
    """Return, for each baseline, which held-out comparisons it gets right."""
    found = {"longer_wins": evaluation.comparisons["longer"].to_numpy()}
    if count_words:
        started = time.monotonic()
        reporter.enter("counting", steps=count_prompts(dataset))
        rewards, rankings = word_count_rewards(dataset, reporter.advance)
        found["word_counts"] = agreed(evaluation.margins(rewards))
        took = duration(time.monotonic() - started)
        reporter.say(f"words counted in {rankings} rankings in {took}")
    return found


def show(
    log: MetricLog,
    folder: RunFolder,
    dataset: Dataset,
    evaluation: Evaluation,
    metrics: dict[str, Any],
    settings: Mapping[str, str | float],
) -> None:
    """Write the report and the worst errors to the run folder and to TensorBoard.

    TensorBoard also has plots, some texts with their rewards, and the final figures beside the
    `settings` that made the result what it is.
    """
    step = metrics["kept_step"]
    text = report(metrics, folder.read_manifest() or {})
    folder.write_report(text)
    log.text("report", text, step)
    log.hyperparameters(settings, final_figures(metrics))
    errors = worst_errors(evaluation, dataset)
    folder.write_errors(errors)
    log.text("held_out/worst_errors", errors_table(errors), step)
    log.image("held_out/reliability", reliability_diagram(metrics["held_out"]["calibration"]), step)
    show_histograms(log, evaluation, step)
    for prompt, rankings in islice(dataset.held_out.by_prompt(), TEXTS_SHOWN):
        rewards = evaluation.rewards[prompt.content_hash]
        # A file's ids may be any text, which is no good as a tag.
        name = prompt.id if isinstance(prompt.id, int) else prompt.content_hash[:12]
        log.text(f"held_out/prompt_{name}", texts_table(prompt, rewards, rankings), step)


def show_histograms(log: MetricLog, evaluation: Evaluation, step: int) -> None:
    """Write how held-out rewards are spread, and how far the better response is ahead in them."""
    rewards = np.array([reward for row in evaluation.rewards.values() for reward in row])
    log.histogram("held_out/rewards", rewards, step)
    log.histogram("held_out/margins", evaluation.comparisons["margin"].to_numpy(), step)


def final_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures by which runs are compared, where they are known."""
    found = {
        "accuracy": metrics["held_out"]["accuracy"],
        "log_loss": metrics["held_out"]["log_loss"],
        "train_accuracy": metrics["train"]["after"]["accuracy"],
        "seconds": metrics["seconds"],
        "parameters": metrics["parameters"],
    }
    return {name: value for name, value in found.items() if value is not None}
