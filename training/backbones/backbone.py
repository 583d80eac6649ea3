"""What the training loop needs of a model, whatever kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.backbones.shared_prefix import Way
from training.data.examples import Example


class Backbone(Protocol):
    """A model with its tokenizer and its way of laying out examples."""

    tokenizer: PreTrainedTokenizerBase
    layout: str
    attention: Way | None
    """How the shared layout attends, where there is a choice."""

    @property
    def model(self) -> PreTrainedModel: ...

    def size(self, examples: Sequence[Example]) -> int:
        """Tokens that `rewards` makes the model compute for these, padding counted."""
        ...

    def rewards(self, examples: Sequence[Example]) -> Tensor:
        """Rewards (N, K) on the model's device; 0 where an example has fewer than K responses."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights, configuration, tokenizer and chat template."""
        ...
