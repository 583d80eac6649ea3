"""The results of a run: its figures, its report and its model card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from training.backbones.features import PodiumFeaturesForSequenceClassification
from training.config import TrainConfig, settings_used
from training.evaluation.evaluate import (
    Evaluation,
    brief,
    held_out_metrics,
    train_sample,
)
from training.evaluation.judgements import judgements
from training.evaluation.labeller_agreement import labellers_agree
from training.evaluation.metrics import agreed
from training.evaluation.summary import baselines, show
from training.programs.reward_feature import scores_alone
from training.programs.run import Run, evaluate_now
from training.runs.caveats import left_out
from training.runs.folder import RunFolder
from training.runs.json_files import finite
from training.saving.model_card import write_model_card
from training.selection.validation import split_off


def run_metrics(run: Run, evaluation: Evaluation, kept: int) -> dict[str, Any]:
    """Return the contents of metrics.json, given the evaluation of the weights of step `kept`."""
    state, dataset = run.state, run.dataset
    train_side = state.last_epoch.metrics(dataset.counts.train_prompts)
    train_side["after"] = brief(evaluate_now(run, train_sample(dataset)))
    count_words = run.config.baseline == "on"
    beside = baselines(evaluation, dataset, run.reporter, count_words=count_words)
    if state.before:
        beside["before_training"] = state.before["agreed"].numpy()
    model = run.learner.backbone.model
    if run.config.reward_feature and isinstance(model, PodiumFeaturesForSequenceClassification):
        beside["reward_model"] = agreed(evaluation.margins(scores_alone(run, model)))
    metrics: dict[str, Any] = finite(
        {
            "train": train_side,
            "held_out": {
                **held_out_metrics(evaluation, beside),
                "comparisons_sha256": dataset.held_out_sha256,
            },
            **({"held_out_before": state.before["figures"]} if state.before else {}),
            "left_out": left_out(asdict(dataset.counts)),
            "labellers_agree": labellers_agree(dataset),
            **run.learner.objective.figures(),
            "steps": state.step,
            "kept_step": kept,
            "epochs": state.step / run.batches.per_epoch if run.steps else 0.0,
            **({"stopping": _stopping(run, kept)} if run.config.chooses and run.steps else {}),
            "pretrained": run.config.backbone == "pretrained",
            "seconds": round(run.seconds, 3),
            "reading_share": state.reading_seconds / (state.step_seconds or math.inf),
            "tokens": state.tokens,
            **run.learner.device.peak_memory(),
            "parameters": sum(w.numel() for w in run.learner.backbone.model.parameters()),
        }
    )
    return metrics


def count_validated(run: Run) -> int:
    """Return the number of prompts whose loss chooses the weights."""
    rankings = run.dataset.held_out
    if run.config.validates:
        rankings = split_off(run.dataset.train)[1]
    return len(np.unique(rankings.prompt_rows))


def _stopping(run: Run, kept: int) -> dict[str, Any]:
    """Return the entry of metrics.json on how the run ended, and why."""
    return {
        "choose_by": run.config.choose_by,
        "prompts": count_validated(run),
        "keep": run.config.keep,
        "patience": run.config.patience,
        "kept_step": kept,
        "steps": run.state.step,
        "planned_steps": run.steps,
    }


def mattering(config: TrainConfig, *, network: bool) -> dict[str, str | float]:
    """Return the settings that make the result of a run what it is; empty ones are left out."""
    used = settings_used(config.backbone, network=network)
    return {
        field.name: value
        for field in fields(config)
        if field.name in used
        and field.metadata["group"] != "machine"
        and (value := getattr(config, field.name)) not in (None, "")
    }


def write_results(
    run: Run,
    folder: RunFolder,
    evaluation: Evaluation,
    metrics: dict[str, Any],
    settings: Mapping[str, str | float],
) -> None:
    """Write the report, the metrics and the model card, and remove the checkpoints."""
    show(run.log, folder, run.dataset, evaluation, metrics, settings)
    run.log.close()
    folder.write_judgements(judgements(evaluation))
    folder.write_metrics(metrics)
    write_model_card(folder)
    folder.forget_checkpoints()
