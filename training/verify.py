"""Saving a model so that it is known to load: what stock transformers reads scores the same.

Shapes: B responses.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from training.backbones.backbone import Backbone
from training.backbones.transformer import PodiumTransformerConfig
from training.dataset import Dataset
from training.inference import split_up
from training.layout import Example, padded_rows, present
from training.runfolder import RunFolder

TOLERANCE = 1e-4
EXAMPLES = 3
TOKENS = 4096
"""Most tokens of an example that is compared."""


def save_verified(backbone: Backbone, folder: RunFolder, dataset: Dataset) -> None:
    """Save into the run folder; the model appears there only if it loads and scores as it should.

    Raises RuntimeError where a saved model gives other scores.
    """
    prompts = islice(dataset.held_out_prompts(), EXAMPLES)
    whole = (Example(prompt.tokens, prompt.responses) for prompt in prompts)
    examples = [part for _, part in split_up(whole, TOKENS)][:EXAMPLES]
    with folder.new_model() as path:
        backbone.save(path)
        verify(backbone, path, examples)


@torch.no_grad()
def verify(backbone: Backbone, saved: Path, examples: list[Example]) -> None:
    """Compare our rewards, in our layout, with those of the saved folder's stock forward."""
    training = backbone.model.training
    backbone.model.eval()
    ours_B = backbone.rewards(examples)[present(examples).to(backbone.model.device)].cpu()
    backbone.model.train(training)
    config = backbone.model.config
    ours = config.model_type == PodiumTransformerConfig.model_type
    theirs_B = stock_rewards(saved, examples, int(config.pad_token_id), ours)
    difference = float((ours_B - theirs_B).abs().max())
    if not difference <= TOLERANCE * (1 + float(ours_B.abs().max())):
        raise RuntimeError(f"the saved model gives other scores: they differ by {difference:.3g}")


def stock_rewards(folder: Path, examples: list[Example], pad: int, ours: bool) -> Tensor:
    """Rewards (B,) as anybody gets them, on the CPU in float32: Auto class, ids, attention mask."""
    # Our own model's code is the file that this process has just written; no other is trusted.
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, trust_remote_code=ours, use_safetensors=True, dtype=torch.float32
    ).eval()
    rows = padded_rows(examples, pad)
    logits_B1: Tensor = model(input_ids=rows.tokens_BT, attention_mask=rows.attention_BT).logits
    return logits_B1.squeeze(-1)
