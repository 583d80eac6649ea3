"""Use a Hugging Face causal language model or bidirectional encoder as a reward model.

Shapes: N rankings, K responses, B responses of all rankings, T row tokens, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.activations import FastGELUActivation, NewGELUActivation

from training.backbones.layout import (
    padded_rows,
    padded_size,
    scatter_rewards,
    shared_row,
    shared_size,
)
from training.backbones.loading import load_pretrained, model_class, read_model_config, reward_head
from training.backbones.lora import merged_weights
from training.backbones.onednn import use_onednn
from training.backbones.pooled import PodiumPooledForSequenceClassification
from training.backbones.pooling import is_causal
from training.backbones.shared_prefix import (
    ATTENTION_KEYWORD,
    ATTENTION_NAME,
    AttentionKind,
    RankingSpan,
    RowAttention,
    block_mask,
    dense_mask,
)
from training.config import AttentionChoice, LayoutChoice, TrainConfig
from training.data.examples import Example
from training.errors import UserError
from training.sentences import sentence

SHARED_TOLERANCE = 1e-4
AUTO_ATTENTION: dict[str, tuple[AttentionKind, ...]] = {
    "cpu": ("blocks", "dense"),
    "cuda": ("flex", "dense"),
}
FLEX_MULTIPLE = 1024
"""Row lengths are multiples of this many tokens: FlexAttention is compiled for each length."""
UNSUPPORTED_ERRORS = (
    AssertionError,  # of FlexAttention
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Exceptions of models that do not support a kind of attention."""


class PretrainedBackbone:
    """A pretrained model with its tokenizer.

    Its `layout` is "shared" (each prompt once per ranking) or "padded" (once per response).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        layout: LayoutChoice = "auto",
        attention: AttentionChoice = "auto",
        head: Collection[str] = (),
        head_is_new: bool = True,
    ) -> None:
        """Choose the layout and the attention; the model must already be on its device."""
        self.model = model
        self.tokenizer = tokenizer
        self.head: Collection[str] = head
        self.head_is_new = head_is_new
        self.pad = int(model.config.pad_token_id)
        self.causal = is_causal(model)
        _fuse_activations(model)
        use_onednn(model)
        self.attention: AttentionKind | None = None
        if layout != "padded":
            self.attention = self._choose_attention(layout, attention)
        self.layout = "shared" if self.attention else "padded"

    @classmethod
    def create(cls, config: TrainConfig, device: torch.device) -> PretrainedBackbone:
        """Load a model by name or from a folder, with its head or a new one. Raises UserError."""
        model, tokenizer, head, head_is_new = load_pretrained(config)
        nn.Module.to(model, device)
        return cls(model, tokenizer, config.layout, config.attention, head, head_is_new)

    @classmethod
    def load(cls, folder: Path, config: TrainConfig, device: torch.device) -> PretrainedBackbone:
        """Load a folder that Podium saved."""
        model = model_class(read_model_config(str(folder), local=True)[0]).from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        nn.Module.to(model, device)
        return cls(model, tokenizer, config.layout, config.attention)

    def size(self, examples: Sequence[Example]) -> int:
        return shared_size(examples) if self.layout == "shared" else padded_size(examples)

    def rewards(self, examples: Sequence[Example]) -> Tensor:
        if self.causal:
            rewards_B = self._head(self._last_hidden(examples))
        else:
            rewards_B = self._classified(examples)
        return scatter_rewards(rewards_B, examples)

    def last_hidden(self, examples: Sequence[Example]) -> Tensor | None:
        if self.causal:
            return self._last_hidden(examples)
        if isinstance(self.model, PodiumPooledForSequenceClassification):
            rows = padded_rows(examples, self.pad)
            device = self.model.device
            return self.model.read(rows.tokens_BT.to(device), rows.attention_BT.to(device))
        return self._head_input(examples)

    def head_weights(self) -> Tensor | None:
        return self._linear_head().weight[0] if self._is_linear() else None

    def head_rewards(self, last_BD: Tensor) -> Tensor:
        if self.causal:
            return self._head(last_BD)
        if isinstance(self.model, PodiumPooledForSequenceClassification):
            return self.model.head_rewards(last_BD)
        rewards_B1: Tensor = self._linear_head()(last_BD)
        return rewards_B1.float().squeeze(-1)

    def save(self, folder: Path) -> None:
        self.model.config.problem_type = "regression"  # pipelines then give the reward itself
        self.model.save_pretrained(folder, state_dict=merged_weights(self.model))
        self.tokenizer.save_pretrained(folder)

    def _last_hidden(self, examples: Sequence[Example]) -> Tensor:
        return self._shared(examples) if self.attention else self._padded(examples)

    def _shared(self, examples: Sequence[Example]) -> Tensor:
        """Return the last hidden states (B, D) from one row of all examples."""
        device = self.model.device
        flex = self.attention == "flex"
        row = shared_row(examples, self.pad, multiple=FLEX_MULTIPLE if flex else 1)
        hidden_1TD = self.model.base_model(
            input_ids=row.tokens_1T.to(device),
            position_ids=row.positions_1T.to(device),
            use_cache=False,
            **self._attention_arguments(row.rankings),
        ).last_hidden_state
        last_BD: Tensor = hidden_1TD[0, row.ends_B.to(device)]
        return last_BD

    def _attention_arguments(self, rankings: tuple[RankingSpan, ...]) -> dict[str, Any]:
        """Return the arguments that tell a model which tokens each token attends to."""
        device = self.model.device
        if self.attention == "dense":
            return {"attention_mask": dense_mask(rankings, device)}
        blocks = block_mask(rankings, device) if self.attention == "flex" else None
        # transformers passes on a mask with four dimensions as it is, and nothing reads this one.
        unread = torch.empty(1, 1, 1, 1, device=device)
        return {"attention_mask": unread, ATTENTION_KEYWORD: RowAttention(rankings, blocks)}

    def _padded(self, examples: Sequence[Example]) -> Tensor:
        """Return the last hidden states (B, D) from a row for each response."""
        device = self.model.device
        rows = padded_rows(examples, self.pad)
        hidden_BTD = self.model.base_model(
            input_ids=rows.tokens_BT.to(device),
            attention_mask=rows.attention_BT.to(device),
            use_cache=False,
        ).last_hidden_state
        rows_B = torch.arange(len(rows.ends_B), device=device)
        last_BD: Tensor = hidden_BTD[rows_B, rows.ends_B.to(device)]
        return last_BD

    def _classified(self, examples: Sequence[Example]) -> Tensor:
        """Return the rewards (B,) by the head of an encoder."""
        device = self.model.device
        rows = padded_rows(examples, self.pad)
        logits_B1: Tensor = self.model(
            input_ids=rows.tokens_BT.to(device), attention_mask=rows.attention_BT.to(device)
        ).logits
        return logits_B1.float().squeeze(-1)

    def _linear_head(self) -> nn.Linear:
        return reward_head(self.model)[1]

    def _head_input(self, examples: Sequence[Example]) -> Tensor:
        """Return what the last layer of an encoder's head reads (B, D)."""
        read: list[Tensor] = []
        hook = self._linear_head().register_forward_pre_hook(
            lambda module, given: read.append(given[0])
        )
        try:
            self._classified(examples)
        finally:
            hook.remove()
        return read[-1]

    @torch.no_grad()
    def _is_linear(self) -> bool:
        """Return True if the rewards of a made-up ranking are linear in the last hidden states."""
        if self.causal:
            return True
        example = self._made_up()
        training = self.model.training
        self.model.eval()
        try:
            last = self.last_hidden([example])
            rewards_B = self._classified([example])
            if last is None or last.shape[:-1] != rewards_B.shape:
                return False
            return torch.allclose(self.head_rewards(last), rewards_B, atol=SHARED_TOLERANCE)
        finally:
            self.model.train(training)

    def _made_up(self) -> Example:
        """Return a made-up prompt with three responses."""
        vocabulary = self.model.config.get_text_config().vocab_size
        prompt, *responses = (
            np.arange(1, 1 + n, dtype=np.int32) * 7919 % vocabulary for n in (9, 5, 5, 11)
        )
        return Example(prompt, responses)

    def _head(self, last: Tensor) -> Tensor:
        """Return the rewards (...) of last hidden states (..., D), in float32 or better."""
        with torch.autocast(last.device.type, enabled=False):
            precision = torch.promote_types(last.dtype, torch.float32)
            rewards: Tensor = self.model.get_submodule("score")(last.to(precision))
            return rewards.squeeze(-1)

    def _choose_attention(self, layout: str, wanted: AttentionChoice) -> AttentionKind | None:
        """Return the first kind of attention that gives the numbers of the padded layout.

        Model families treat positions and masks differently, so each kind is tried on a made-up
        ranking. Returns None if none works, and raises UserError if the settings ask for one.
        """
        device = self.model.device.type
        kinds = AUTO_ATTENTION[device] if wanted == "auto" else (wanted,)
        reason: Exception | None = None
        if self.causal and _has_full_attention(self.model.config) and _supports_sdpa(self.model):
            for kind in kinds:
                if kind == "blocks" and device != "cpu":
                    continue
                if kind == "flex":
                    torch.compiler.reset()  # torch compiles a function only a few times
                try:
                    name = "sdpa" if kind == "dense" else ATTENTION_NAME
                    self.model.set_attn_implementation(name)
                    self._check_equals_padded(kind)
                    return kind
                except UNSUPPORTED_ERRORS as error:
                    reason = error.with_traceback(None)  # it would keep tensors alive
            self.model.set_attn_implementation("sdpa")
        if layout == "shared" or wanted != "auto":
            family = self.model.config.model_type
            if wanted == "auto":
                raise UserError(
                    sentence(
                        "layout shared does not work for a %(family)s model; use --layout padded",
                        family=family,
                    )
                ) from reason
            raise UserError(
                sentence(
                    "attention %(kind)s does not work for a %(family)s model on %(device)s;"
                    " use --attention auto",
                    kind=wanted,
                    family=family,
                    device=device,
                )
            ) from reason
        return None

    def _check_equals_padded(self, kind: AttentionKind) -> None:
        """Raise ValueError unless both layouts give equal rewards and gradients of one weight."""
        example = [self._made_up()]
        weight = min(filter(_is_trained, self.model.parameters()), key=Tensor.numel)
        training = self.model.training
        self.model.eval()
        try:
            self.attention = kind
            shared = self._head(self._shared(example))
            padded = self._head(self._padded(example))
            gradients = [
                torch.autograd.grad(rewards.square().sum(), weight)[0]
                for rewards in (shared, padded)
            ]
        finally:
            self.attention = None
            self.model.train(training)
        for one, other in ((shared.detach(), padded.detach()), gradients):
            difference = float((one - other).abs().max())
            if not difference <= SHARED_TOLERANCE * (1 + float(other.abs().max())):
                raise ValueError(f"numbers are off by {difference:.3g} from the padded layout")


def _supports_sdpa(model: PreTrainedModel) -> bool:
    """Return True if a model computes torch's attention, after switching it on.

    transformers refuses it for others: those add something to attention that the layouts lack.
    """
    try:
        model.set_attn_implementation("sdpa")
    except (ValueError, ImportError):
        return False
    return True


def _is_trained(weight: Tensor) -> bool:
    return weight.requires_grad


def _fuse_activations(model: PreTrainedModel) -> None:
    """Compute GPT-2's approximation of GELU in one operation instead of eight."""
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation | FastGELUActivation):
                setattr(module, name, nn.GELU(approximate="tanh"))


def _has_full_attention(config: Any) -> bool:
    """Return False if some layers attend only to a window, or do not use attention."""
    text = config.get_text_config()
    layer_types = getattr(text, "layer_types", None)
    if layer_types is not None:
        return set(layer_types) == {"full_attention"}
    return getattr(text, "sliding_window", None) is None
