"""Score held-out responses by the reward model of --reward-feature alone."""

from __future__ import annotations

import torch

from training.backbones.encoders import load_reward_model
from training.backbones.features import PodiumFeaturesForSequenceClassification
from training.backbones.lastlayer import texts_of
from training.backbones.scorer import Scorer
from training.evaluation.evaluate import held_out
from training.programs.run import Run


@torch.no_grad()
def scores_alone(
    run: Run, model: PodiumFeaturesForSequenceClassification
) -> dict[str, list[float]]:
    """Return the reward model's scores of the held-out responses, by prompt hash.

    It is loaded again if the linear model does not use it. Raises UserError.
    """
    scorer = model.scorer
    if scorer is None:
        scorer = Scorer.of(*load_reward_model(run.config.reward_feature)).to(model.device)
    split = held_out(run.dataset)
    run.reporter.enter("evaluating", steps=split.count_responses())
    found: dict[str, list[float]] = {}
    for prompt, _ in split.prompts():
        asked, responses = texts_of(model.vocabulary, prompt.tokens, prompt.responses)
        scores_M1 = scorer([asked] * len(responses), responses)
        found[prompt.content_hash] = scores_M1.flatten().tolist()
        run.reporter.advance(len(responses))
    return found
