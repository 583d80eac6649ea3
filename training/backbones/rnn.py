"""A reward model from scratch: torch.nn.GRU or torch.nn.LSTM, which reads the prompt once.

This file is copied into every folder that such a model is saved to, with the one that it imports,
so that the folder loads anywhere with
`AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)`.

Shapes: N rankings, K responses, P prompt tokens (the separator included), R response tokens (the
end included), D width, S layers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

# Relative, because transformers then saves that file too.
from .rewardmodel import PodiumRewardModel

CELLS: dict[str, type[nn.GRU | nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}

State = tuple[Tensor, ...]
"""(S, N, D) each: a GRU has one, an LSTM two."""


class PodiumRNNConfig(PretrainedConfig):
    """Sizes and special tokens. `separator_token_id` ends every prompt, and stands nowhere else.

    Raises ValueError for an unknown cell.
    """

    model_type = "podium_rnn"

    def __init__(
        self,
        vocab_size: int = 4096,
        hidden_size: int = 128,
        cell: str = "gru",
        num_hidden_layers: int = 1,
        separator_token_id: int = 0,
        **kwargs: Any,
    ) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.cell = cell
        self.num_hidden_layers = num_hidden_layers
        self.separator_token_id = separator_token_id
        kwargs.setdefault("num_labels", 1)
        super().__init__(**kwargs)


class PodiumRNNForSequenceClassification(PodiumRewardModel):
    """The prompt is read once, and each response from the state that it left behind."""

    config_class = PodiumRNNConfig
    in_float32: bool | None = None
    """Whether autocast leaves the recurrent layers alone. None: where a trial of them fails."""

    def __init__(self, config: PodiumRNNConfig) -> None:
        super().__init__(config)
        D = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, D)
        self.rnn = CELLS[config.cell](D, D, config.num_hidden_layers, batch_first=True)
        self.score = nn.Linear(D, 1, bias=False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Gates that remember: with torch's own start little of a text reaches its end.

        Orthogonal maps from state to state (Saxe et al., arXiv 1312.6120), and a bias of 1 for an
        LSTM's forget gate (Jozefowicz et al., 2015) and a GRU's update gate, which does its work.
        """
        super()._init_weights(module)
        if module is not self.rnn:
            return
        for name, weight in module.named_parameters():
            gates = weight.chunk(len(weight) // self.config.hidden_size)
            for gate in gates:
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                elif name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(gate)
                else:
                    nn.init.zeros_(gate)
            if name.startswith("bias_ih"):
                nn.init.ones_(gates[1])  # of GRU: reset, update, new; of LSTM: input, forget, ...

    def read(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        N, K, _ = responses_NKR.shape
        state = self._state_behind(prompts_NP, prompt_lengths_N)
        expanded = tuple(part_SND.repeat_interleave(K, dim=1) for part_SND in state)
        # Padding stands behind a response's end, whose state it does not reach.
        hidden_BRD, _ = self._run(self.embedding(responses_NKR.flatten(0, 1)), expanded)
        rows_B = torch.arange(N * K, device=ends_NK.device)
        return hidden_BRD[rows_B, ends_NK.flatten()].reshape(N, K, -1)

    def _state_behind(self, tokens_NP: Tensor, lengths_N: Tensor) -> State:
        """The state after the last real token of each sequence.

        The sequences are read in stretches in which none of them ends. Packed, they would give the
        same; but on a CPU an LSTM then learns from a few long prompts several times as slowly, a
        GRU about as fast. Only dozens of short prompts are faster packed.
        """
        order_N = lengths_N.argsort()
        embedded_NPD = self.embedding(tokens_NP[order_N])
        ended: list[State] = []
        state: State | None = None
        start = first = 0
        for stop, count in zip(*_lists(lengths_N.unique(return_counts=True)), strict=True):
            _, state = self._run(embedded_NPD[first:, start:stop], state)
            ended.append(tuple(part[:, :count] for part in state))
            state = tuple(part[:, count:].contiguous() for part in state)
            start, first = stop, first + count
        back_N = order_N.argsort()
        return tuple(torch.cat(parts, dim=1)[:, back_N] for parts in zip(*ended, strict=True))

    def _run(self, embedded: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Hidden states (B, T, D) of embedded tokens (B, T, D), read from a state, and the last."""
        kind = embedded.device.type
        with torch.autocast(kind, enabled=self._follows_autocast(kind)):
            if self.config.cell == "lstm":
                hidden, state = self.rnn(embedded, state)
                return hidden, state
            hidden, last = self.rnn(embedded, None if state is None else state[0])
            return hidden, (last,)

    def _follows_autocast(self, device: str) -> bool:
        if not torch.is_autocast_enabled(device):
            return False
        if self.in_float32 is not None:
            return not self.in_float32
        return computes_under_autocast(self.config.cell, device, torch.get_autocast_dtype(device))


@cache
def computes_under_autocast(cell: str, device: str, dtype: torch.dtype) -> bool:
    """Return whether this machine has kernels for the cell in that precision, by trying it.

    An LSTM in bf16 has none on a CPU without AVX-512. The trial draws no random numbers: a run
    must come to the same ones with and without it.
    """
    layer = CELLS[cell](8, 8, batch_first=True, device="meta").to_empty(device=device)
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    try:
        with torch.inference_mode(False), torch.autocast(device, dtype):
            for learns in (False, True):
                with torch.set_grad_enabled(learns):
                    hidden, _ = layer(torch.zeros(2, 3, 8, device=device))
            hidden.sum().backward()
    except RuntimeError:
        return False
    return True


def _lists(tensors: tuple[Tensor, ...]) -> list[list[int]]:
    return [tensor.tolist() for tensor in tensors]
