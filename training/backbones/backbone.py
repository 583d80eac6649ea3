"""The interface between the training loop and a model of any kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.backbones.shared_prefix import AttentionKind
from training.data.examples import Example


class Backbone(Protocol):
    """A model with its tokenizer and the layout of its input."""

    tokenizer: PreTrainedTokenizerBase
    layout: str
    attention: AttentionKind | None
    """Attention of the shared layout; None for models that compute their own."""
    head: Collection[str]
    """Names of the weights with a learning rate of their own: those of a pretrained model's head,
    and others that its files lack."""
    head_is_new: bool
    """False for a reward model that is trained further."""

    @property
    def model(self) -> PreTrainedModel: ...

    def size(self, examples: Sequence[Example]) -> int:
        """Return the number of tokens that `rewards` computes for the examples, with padding."""
        ...

    def rewards(self, examples: Sequence[Example]) -> Tensor:
        """Return the rewards (N, K) on the model's device.

        They are 0 where an example has fewer than K responses.
        """
        ...

    def last_hidden(self, examples: Sequence[Example]) -> Tensor | None:
        """Return the last hidden states (B, D) of all responses, in order.

        None for a model whose reward is not linear in them, and for one without a network.
        """
        ...

    def head_weights(self) -> Tensor | None:
        """Return the weights (D,) that turn a last hidden state into a reward, if there are any."""
        ...

    def head_rewards(self, last_BD: Tensor) -> Tensor:
        """Return the rewards (B,) of last hidden states, without those of the linear parts."""
        ...

    def save(self, folder: Path) -> None:
        """Write the weights, configuration, tokenizer and chat template to a folder."""
        ...
