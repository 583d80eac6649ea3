"""A last layer that computes only what is read of it: the ends of the responses.

A reward is read where a response ends. Of a model's last layer nothing else is read but the keys
and values that those ends see, so its queries, its output and its feed-forward part need no other
token: of GPT-2 with 12 layers that is a sixteenth of all the work.

The layer, whatever its family, is called twice. From the first call, over the whole row, attention
takes the keys and values, and breaks it off. The second computes the ends alone, over these.

Shapes: T row tokens, B responses, H heads, G heads of keys and values, D head width, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partialmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv

from training.backbones.shared_prefix import (
    KEYWORD,
    Prefix,
    Prefixes,
    segments,
)


class GatheredError(Exception):
    """The keys and values of a layer are there, its arguments, and the rest is not wanted."""


class Gathering:
    """Stands for the row's prefixes in the first call."""

    def attend(self, query: Tensor, key_1GTD: Tensor, value_1GTD: Tensor, scale: float) -> Tensor:
        """Raises GatheredError, always."""
        raise GatheredError(key_1GTD, value_1GTD)


@dataclass(frozen=True, slots=True)
class Ends:
    """Stands for the row's prefixes in the second call: each query is a response's end."""

    key_1GTD: Tensor  # noqa: N815 - shapes in names
    value_1GTD: Tensor  # noqa: N815
    seen_11BT: Tensor  # noqa: N815

    def attend(self, query_1HBD: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """(1, H, B, D). Keys and values of the ends alone are not enough, and not used."""
        times = query_1HBD.shape[1] // self.key_1GTD.shape[1]
        return scaled_dot_product_attention(
            query_1HBD,
            repeat_kv(self.key_1GTD, times),
            repeat_kv(self.value_1GTD, times),
            self.seen_11BT,
            scale=scale,
        )


def last_layer(model: PreTrainedModel) -> nn.Module | None:
    count = model.config.get_text_config().num_hidden_layers
    for child in model.base_model.modules():
        if isinstance(child, nn.ModuleList) and len(child) == count:
            return child[-1]
    return None


def compute_ends_only(layer: nn.Module) -> None:
    """Let a last layer do so. Elsewhere in its output its input stands.

    It keeps its weights and names, and its type is a subclass of what it was.
    """
    whole = type(layer)
    layer.__class__ = type(whole.__name__, (whole,), {"forward": partialmethod(_forward, whole)})


def _forward(
    layer: nn.Module, whole: type[nn.Module], hidden_1TW: Tensor, *args: Any, **kwargs: Any
) -> Any:
    prefixes = kwargs.get(KEYWORD)
    if not isinstance(prefixes, Prefixes):
        return whole.forward(layer, hidden_1TW, *args, **kwargs)
    try:
        return whole.forward(layer, hidden_1TW, *args, **kwargs | {KEYWORD: Gathering()})
    except GatheredError as gathered:
        key_1GTD, value_1GTD = gathered.args
    tokens = hidden_1TW.shape[1]
    ends_B = torch.tensor(_ends(prefixes.rankings), device=hidden_1TW.device)
    seeing = Ends(key_1GTD, value_1GTD, _seen(prefixes.rankings, ends_B))
    ends_1BW = whole.forward(
        layer,
        hidden_1TW[:, ends_B],
        *_at(args, ends_B, tokens),
        **_at(kwargs, ends_B, tokens) | {KEYWORD: seeing},
    )
    return hidden_1TW.index_copy(1, ends_B, ends_1BW)


def _ends(rankings: tuple[Prefix, ...]) -> list[int]:
    """Place in the row of each response's last token."""
    return [
        run.start + (number + 1) * run.length - 1
        for prefix in rankings
        for run in prefix.runs
        for number in range(run.responses)
    ]


def _seen(rankings: tuple[Prefix, ...], ends_B: Tensor) -> Tensor:
    """Which tokens the ends see (1, 1, B, T): of their ranking, its prompt and their own."""
    ranking_T, segment_T = (part.to(ends_B.device) for part in segments(rankings))
    same_BT = ranking_T[ends_B][:, None] == ranking_T
    own_BT = segment_T[ends_B][:, None] == segment_T
    return (same_BT & (own_BT | (segment_T == 0)))[None, None]


def _at(value: Any, ends_B: Tensor, tokens: int) -> Any:
    """What holds something for each token of the row, for the ends only; all else as it is."""
    if isinstance(value, Tensor):
        return value[:, ends_B] if value.dim() > 1 and value.shape[1] == tokens else value
    if isinstance(value, dict):
        return {key: _at(each, ends_B, tokens) for key, each in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_at(each, ends_B, tokens) for each in value)
    return value
