"""A reward model from scratch: torch.nn.GRU or torch.nn.LSTM, which reads the prompt once.

This file is copied into every folder that such a model is saved to, with the file that it imports,
so that the folder can be loaded anywhere with
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

# Relative, so that transformers saves that file too.
from .rewardmodel import PodiumRewardModel

CELLS: dict[str, type[nn.GRU | nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}

State = tuple[Tensor, ...]
"""Tensors (S, N, D): one for a GRU, two for an LSTM."""


class PodiumRNNConfig(PretrainedConfig):
    """Sizes and special tokens. `separator_token_id` ends each prompt and occurs nowhere else.

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
    """Read each prompt once, and each response from the state after its prompt."""

    config_class = PodiumRNNConfig
    in_float32: bool | None = None
    """True if the recurrent layers ignore autocast; None decides it by a trial."""

    def __init__(self, config: PodiumRNNConfig) -> None:
        super().__init__(config)
        D = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, D)
        self.rnn = CELLS[config.cell](D, D, config.num_hidden_layers, batch_first=True)
        self.score = nn.Linear(D, 1, bias=False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise the gates so that the state reaches the end of a text.

        State-to-state weights are orthogonal (Saxe et al., arXiv 1312.6120). The bias is 1 for the
        forget gate of an LSTM (Jozefowicz et al., 2015) and for the update gate of a GRU, which
        has the same purpose.
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
                nn.init.ones_(gates[1])  # GRU: reset, update, new; LSTM: input, forget, ...

    def read(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        N, K, _ = responses_NKR.shape
        state = self._state_after(prompts_NP, prompt_lengths_N)
        expanded = tuple(part_SND.repeat_interleave(K, dim=1) for part_SND in state)
        # Padding follows the end of a response and does not change the state there.
        hidden_BRD, _ = self._run(self.embedding(responses_NKR.flatten(0, 1)), expanded)
        rows_B = torch.arange(N * K, device=ends_NK.device)
        return hidden_BRD[rows_B, ends_NK.flatten()].reshape(N, K, -1)

    def _state_after(self, tokens_NP: Tensor, lengths_N: Tensor) -> State:
        """Return the state after the last token of each sequence, without its padding.

        The sequences are read in segments within which none of them ends. Packed sequences give
        the same state, but on a CPU an LSTM then trains several times as slowly on a few long
        prompts, and a GRU about as fast. Only dozens of short prompts are faster when packed.
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
        """Return the hidden states (B, T, D) of embedded tokens (B, T, D), and the last state."""
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
    """Return True if the device can compute the cell in `dtype`, decided by a trial.

    A CPU without AVX-512 has no kernels for an LSTM in bf16. The trial draws no random numbers,
    because they must be the same with and without it.
    """
    layer = CELLS[cell](8, 8, batch_first=True, device="meta").to_empty(device=device)
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    try:
        with torch.inference_mode(False), torch.autocast(device, dtype):
            for with_gradient in (False, True):
                with torch.set_grad_enabled(with_gradient):
                    hidden, _ = layer(torch.zeros(2, 3, 8, device=device))
            hidden.sum().backward()
    except RuntimeError:
        return False
    return True


def _lists(tensors: tuple[Tensor, ...]) -> list[list[int]]:
    return [tensor.tolist() for tensor in tensors]
