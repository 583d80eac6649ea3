"""Decide which prompts a run trains on, and whether to keep a network beside linear parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.backbones.backbone import Backbone
from training.backbones.features import PodiumFeaturesForSequenceClassification
from training.config import VALIDATION_PARTS, TrainConfig, with_steps, with_stopping
from training.data.dataset import Dataset, Rankings
from training.data.elements import Members, sets_of_responses
from training.errors import UserError
from training.evaluation.evaluate import EvalSplit
from training.programs.run import Run, rewards_now
from training.selection.residual import judge
from training.selection.validation import split_off
from training.sentences import sentence


def fit_to_data(
    backbone: Backbone, dataset: Dataset, config: TrainConfig
) -> tuple[TrainConfig, Rankings]:
    """Return the settings with those that the data decides, and the rankings to train on.

    Raises UserError.
    """
    if config.backbone == "pretrained":
        config = with_stopping(config, len(np.unique(dataset.train.prompt_rows)))
    rankings = rankings_to_train_on(backbone, dataset.train, config)
    if config.backbone == "pretrained":
        sets = len(Members(sets_of_responses(rankings.prompt_rows, rankings.places)))
        config = with_steps(config, sets)
    return config, rankings


def rankings_to_train_on(backbone: Backbone, train: Rankings, config: TrainConfig) -> Rankings:
    """Return the training side, without the prompts that judge a network or choose the weights.

    Raises UserError if too few prompts are left for that.
    """
    model = backbone.model
    if isinstance(model, PodiumFeaturesForSequenceClassification) and model.network is not None:
        return split_off(train)[0]
    if not config.validates:
        return train
    learning, validation = split_off(train)
    if not len(validation):
        raise UserError(
            sentence(
                "--patience and --keep best need at least %(needed)s training prompts;"
                " leave them out, or use --choose-by held-out",
                needed=VALIDATION_PARTS,
            )
        )
    return learning


def judge_network(run: Run) -> dict[str, Any] | None:
    """Keep, scale or drop the network, as the prompts that judge it decide.

    Returns the figures for metrics.json, or None for a model without linear parts or network.
    """
    model = run.learner.backbone.model
    if not isinstance(model, PodiumFeaturesForSequenceClassification) or model.network is None:
        return None
    judging = split_off(run.dataset.train)[1]
    network = model.network
    together = rewards_now(run, EvalSplit(judging))
    model.network = None
    linear = rewards_now(run, EvalSplit(judging))
    model.network = network
    added = {
        prompt: [both - alone for both, alone in zip(row, linear[prompt], strict=True)]
        for prompt, row in together.items()
    }
    found = judge(judging, linear, added)
    model.known = {}
    if found["factor"]:
        network.score.weight.data *= found["factor"]
    else:
        model.drop_network()
    return found
