"""Save a model, and verify that stock transformers loads it with the same scores.

Shapes: N examples, K responses, B compared responses, T row tokens.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.backbones.backbone import Backbone
from training.backbones.layout import padded_rows
from training.backbones.pooling import is_pooled
from training.backbones.scratch import scratch_model_class
from training.data.chat_template import folds_system
from training.data.dataset import Dataset, TokenizedPrompt
from training.data.encoder import TextEncoder
from training.data.examples import Example
from training.evaluation.inference import split_up
from training.evaluation.posterior import Posterior
from training.rankings import Message
from training.runs.folder import RunFolder
from training.saving.model_card import FACTS
from training.saving.tokenizer import add_no_special_tokens

TOLERANCE = 1e-4
EXAMPLES = 3
TOKENS = 4096
"""Tokens of a compared example at most."""
PADDING = 3
"""Padding tokens added to the longest row of a batch."""


def save_verified(
    backbone: Backbone,
    folder: RunFolder,
    dataset: Dataset,
    rewards: Collection[float],
    known: Mapping[str, Any],
    posterior: Posterior | None = None,
) -> list[str]:
    """Save the model into the run folder, where it appears only if it loads and scores the same.

    The posterior of its last layer is saved in a folder inside.

    The facts beside it give the mean and the standard deviation of `rewards`, those of the held-out
    responses, for scores to be centred and scaled by, and what is `known`: the limits on tokens and
    the learned parameters of the loss. Returns warnings for the model's users. Raises RuntimeError
    where the saved model gives other scores or its tokenizer other tokens.
    """
    prompts = list(islice(dataset.held_out_prompts(), EXAMPLES))
    whole = (Example(prompt.tokens, prompt.responses) for prompt in prompts)
    examples = [part for _, part in split_up(whole, TOKENS)][:EXAMPLES]
    with folder.new_model() as path:
        backbone.save(path)
        for weights in path.rglob("*.safetensors"):  # are written for their owner's eyes only
            weights.chmod((path / "config.json").stat().st_mode)
        plain_call = add_no_special_tokens(path, _filled(backbone.tokenizer, prompts))
        if posterior is not None:
            posterior.save(path)
        padding = verify(backbone, path, examples)
        texts, equal = verify_texts(backbone.tokenizer, path, prompts)
        facts = {
            **known,
            "padding": padding,
            "texts_compared": texts,
            "texts_equal": equal,
            "plain_call": plain_call,
            "folds_system": folds_system(backbone.tokenizer),
            "reward_mean": float(np.mean(list(rewards))),
            "reward_std": float(np.std(list(rewards))),
        }
        (path / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return list(_warnings(backbone.model.config.model_type, padding, texts, equal))


def _warnings(family: str, padding: list[str], texts: int, equal: int) -> Iterator[str]:
    """Yield warnings for the users of a model, given the results of verify and verify_texts."""
    if "left" not in padding:
        yield f"pad on the right: a {family} model scores otherwise if padded on the left"
    if equal < texts:
        given = f"{texts - equal} of {texts} held-out texts"
        yield f"{given} give other tokens through the chat template"


def verify(backbone: Backbone, saved: Path, examples: list[Example]) -> list[str]:
    """Compare our rewards, in our layout, with those of the saved folder's stock forward.

    The first and the last response of each example must score the same alone and in a batch padded
    on the right. Returns the sides on which padding may stand: models that count positions from the
    row's first token, and those that read the reward there, cannot have it on the left.

    Raises RuntimeError where the scores differ.
    """
    places = [sorted({0, len(example.responses) - 1}) for example in examples]
    ours_NK = _our_rewards(backbone, examples)
    ours_B = torch.cat([row_K[which] for row_K, which in zip(ours_NK, places, strict=True)])
    alone = [
        Example(example.prompt, [example.responses[place]])
        for example, which in zip(examples, places, strict=True)
        for place in which
    ]
    model = stock_model(saved)
    pad = int(backbone.model.config.pad_token_id)
    found = {
        "one by one": torch.cat([stock_rewards(model, [example], pad) for example in alone]),
        "padded on the right": stock_rewards(model, alone, pad, "right"),
        "padded on the left": stock_rewards(model, alone, pad, "left"),
    }
    far = {way: float((ours_B - theirs_B).abs().max()) for way, theirs_B in found.items()}
    bound = TOLERANCE * (1 + float(ours_B.abs().max()))
    sides = ["right", "left"] if far.pop("padded on the left") <= bound else ["right"]
    for way, difference in far.items():
        if not difference <= bound:
            raise RuntimeError(
                f"the saved model gives other scores, {way}: off by {difference:.3g}"
            )
    return sides


@torch.no_grad()
def _our_rewards(backbone: Backbone, examples: list[Example]) -> Tensor:
    """Return the rewards (N, K) of the model in memory."""
    training = backbone.model.training
    backbone.model.eval()
    rewards_NK = backbone.rewards(examples).float().cpu()
    backbone.model.train(training)
    return rewards_NK


def stock_model(folder: Path) -> PreTrainedModel:
    """Load the folder as any user does, on the CPU in float32."""
    # Our own models' code is what this process has just written; no other is trusted.
    ours = scratch_model_class(folder) is not None or is_pooled(folder)
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
        folder, trust_remote_code=ours, use_safetensors=True, dtype=torch.float32
    )
    return model.eval()


@torch.no_grad()
def stock_rewards(
    model: PreTrainedModel, examples: Sequence[Example], pad: int, side: str | None = None
) -> Tensor:
    """Return the rewards (B,) of a stock model, every row padded on a side if one is given."""
    rows = padded_rows(examples, pad)
    tokens_BT, attention_BT = rows.tokens_BT, rows.attention_BT
    if side is not None:
        tokens_BT = F.pad(tokens_BT, (0, PADDING), value=pad)
        attention_BT = F.pad(attention_BT, (0, PADDING))
    if side == "left":
        behind_B = (tokens_BT.shape[1] - 1 - rows.ends_B).tolist()
        tokens_BT, attention_BT = (
            torch.stack([row_T.roll(n) for row_T, n in zip(rows_BT, behind_B, strict=True)])
            for rows_BT in (tokens_BT, attention_BT)
        )
    logits_B1: Tensor = model(input_ids=tokens_BT, attention_mask=attention_BT).logits
    return logits_B1.squeeze(-1)


def verify_texts(
    tokenizer: PreTrainedTokenizerBase, saved: Path, prompts: Sequence[TokenizedPrompt]
) -> tuple[int, int]:
    """Count the compared texts, and those that the chat template turns into the tokens of training.

    They differ where contents hold special tokens, or begin or end with characters that the
    tokenizer joins with their neighbours.

    Raises RuntimeError where the saved tokenizer itself gives other tokens.
    """
    stock = AutoTokenizer.from_pretrained(saved, trust_remote_code=False)
    uncut = 1 << 30
    ours, theirs = (
        TextEncoder(one, max_prompt_tokens=uncut, max_response_tokens=uncut)
        for one in (tokenizer, stock)
    )
    compared = equal = 0
    for prompt in prompts:
        for text in prompt.texts:
            messages = prompt.messages or []
            tokens = [*ours.prompt(messages), *ours.responses([text])[0]]
            if tokens != [*theirs.prompt(messages), *theirs.responses([text])[0]]:
                raise RuntimeError("the saved tokenizer gives other tokens")
            compared += 1
            equal += tokens == _tokens_through_template(stock, messages, text)
    return compared, equal


def _filled(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[TokenizedPrompt]) -> list[str]:
    """Return the prompts with each of their responses as the chat template writes them."""
    found = [
        _through_template(tokenizer, prompt.messages or [], text)
        for prompt in prompts
        for text in prompt.texts
    ]
    texts = [text.encode("utf-8", "replace").decode() for text in found if text is not None]
    return [*texts, "A text without a template."]


def _tokens_through_template(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], text: str
) -> list[int] | None:
    """Return the tokens of a conversation that ends in `text`; None where it is refused."""
    filled = _through_template(tokenizer, messages, text)
    if filled is None:
        return None
    found: list[int] = tokenizer(filled, add_special_tokens=False)["input_ids"]
    return found


def _through_template(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], text: str
) -> str | None:
    """Return a conversation that ends in `text` as one text; None where it is refused."""
    answered = [*messages, {"role": "assistant", "content": text}]
    try:
        return str(tokenizer.apply_chat_template(answered, tokenize=False))
    except Exception:  # noqa: BLE001 - a template is a program of its author's
        return None
