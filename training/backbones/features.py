"""A linear reward model of features of the text, to which other models may be added.

The reward is a sum of up to five parts: features that are named, the words, the embeddings of a
frozen encoder, the score of a frozen reward model, and a network that learns what these leave over.

This file is copied into every folder that such a model is saved to, with the files that it imports,
so that the folder can be loaded anywhere with
`AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)`.

Shapes: N rankings, K responses, M responses of all rankings, F named features, W buckets of words,
D width of the encoder, E features of its embeddings, V tokens, P prompt tokens, R response tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

# Relative, so that transformers saves those files too.
from .embedder import Embedder, plain_config
from .rewardmodel import PodiumRewardModel
from .scorer import Scorer, Turn
from .textfeatures import FEATURES, Text, features, word_counts
from .transformer import PodiumTransformerConfig, PodiumTransformerForSequenceClassification

FARTHEST = 5.0
"""Standard deviations from the mean at which a named feature is cut off."""


class PodiumFeaturesConfig(PretrainedConfig):
    """Sizes, special tokens, and the configurations of the models inside, if any.

    `separator_token_id` ends each prompt and occurs nowhere else.
    """

    model_type = "podium_features"

    def __init__(
        self,
        vocab_size: int = 4096,
        vocabulary_bytes: int = 0,
        separator_token_id: int = 0,
        word_buckets: int = 0,
        encoder: dict[str, Any] | None = None,
        encoder_tokenizer_bytes: int = 0,
        encoder_tokens: int = 256,
        scorer: dict[str, Any] | None = None,
        scorer_tokenizer_bytes: int = 0,
        scorer_tokens: int = 0,
        role_token_ids: dict[str, int] | None = None,
        network: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.vocabulary_bytes = vocabulary_bytes
        self.separator_token_id = separator_token_id
        self.word_buckets = word_buckets
        self.encoder = encoder
        self.encoder_tokenizer_bytes = encoder_tokenizer_bytes
        self.encoder_tokens = encoder_tokens
        self.scorer = scorer
        self.scorer_tokenizer_bytes = scorer_tokenizer_bytes
        self.scorer_tokens = scorer_tokens
        self.role_token_ids = role_token_ids
        self.network = network
        kwargs.setdefault("num_labels", 1)
        super().__init__(**kwargs)


class Vocabulary(nn.Module):
    """Turn token ids into text again. Special tokens have no text, but part what is beside them."""

    characters: Tensor
    ends: Tensor

    def __init__(self, tokens: int, size: int, roles: Mapping[str, int]) -> None:
        super().__init__()
        self.roles = {token: role for role, token in roles.items()}
        self.register_buffer("characters", torch.zeros(size, dtype=torch.uint8))
        self.register_buffer("ends", torch.zeros(tokens, dtype=torch.int32))

    @cached_property
    def _pieces(self) -> list[bytes]:
        whole = bytes(self.characters.cpu().numpy())
        ends = self.ends.tolist()
        return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def fill(self, pieces: Sequence[bytes]) -> None:
        """Take the bytes of each token, by its id."""
        whole = np.frombuffer(b"".join(pieces), np.uint8).copy()
        self.characters.copy_(torch.from_numpy(whole))
        self.ends.copy_(torch.from_numpy(np.cumsum([len(piece) for piece in pieces])))

    def text(self, tokens: NDArray[np.integer]) -> str:
        """Return the text that the token ids stand for, without half characters at a cut."""
        pieces = self._pieces
        return b"".join([pieces[token] for token in tokens.tolist()]).decode("utf-8", "ignore")

    def prompt(self, tokens: NDArray[np.integer]) -> Text:
        """Return the text of a prompt, with the messages that its roles' tokens begin."""
        starts = np.flatnonzero(np.isin(tokens, list(self.roles)))
        turns: list[Turn] = []
        for part in np.split(tokens, starts):
            role = self.roles.get(int(part[0])) if len(part) else None
            content = self.text(part if role is None else part[1:])
            if role or content:  # a prompt that was cut may begin within a message
                turns.append((role or "user", content))
        return Text(self.text(tokens), turns)


class Linear(nn.Module):
    """Hold the weights of features in standard deviations from the mean, at most FARTHEST."""

    mean: Tensor
    std: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("std", torch.ones(count))
        self.weight = nn.Parameter(torch.zeros(count), requires_grad=False)

    def standardised(self, features_MF: Tensor) -> Tensor:
        far_MF = (features_MF - self.mean.float()) / self.std.float()
        return far_MF.clamp(-FARTHEST, FARTHEST)

    def forward(self, features_MF: Tensor) -> Tensor:
        """Return the rewards (M,) of the features."""
        # Not as a matrix product, which autocast would compute in bf16.
        return (self.standardised(features_MF) * self.weight.float()).sum(dim=1)


class Words(nn.Module):
    """Hold the weights of words and word pairs, by bucket; TF-IDF vectors have length 1."""

    idf: Tensor

    def __init__(self, buckets: int) -> None:
        super().__init__()
        self.register_buffer("idf", torch.zeros(buckets))
        self.weight = nn.Parameter(torch.zeros(buckets), requires_grad=False)

    def forward(self, texts: Sequence[Text]) -> Tensor:
        """Return the rewards (M,) of the texts' words."""
        device, buckets = self.weight.device, len(self.weight)
        counted = [word_counts(text, buckets) for text in texts]
        lengths = torch.tensor([len(places) for places, _ in counted], device=device)
        rows = torch.arange(len(texts), device=device).repeat_interleave(lengths)
        places = torch.from_numpy(np.concatenate([places for places, _ in counted])).to(device)
        counts = torch.from_numpy(np.concatenate([counts for _, counts in counted])).to(device)
        values = counts * self.idf.float()[places]
        zeros_M = torch.zeros(len(texts), device=device)
        squares_M = zeros_M.index_add(0, rows, values.square())
        rewards_M = zeros_M.index_add(0, rows, values * self.weight.float()[places])
        return rewards_M / squares_M.sqrt().clamp_min(1e-12)


class PodiumFeaturesForSequenceClassification(PodiumRewardModel):
    """Add up the rewards of named features, words, embeddings, a score and a network."""

    config_class = PodiumFeaturesConfig

    def __init__(self, config: PodiumFeaturesConfig) -> None:
        super().__init__(config)
        self.vocabulary = Vocabulary(
            config.vocab_size, config.vocabulary_bytes, config.role_token_ids or {}
        )
        self.named = Linear(len(FEATURES))
        self.words = Words(config.word_buckets) if config.word_buckets else None
        self.embedder: Embedder | None = None
        self.embedded: Linear | None = None
        if config.encoder:
            self.embedder = Embedder(
                config.encoder, config.encoder_tokenizer_bytes, config.encoder_tokens
            )
            self.embedded = Linear(self.embedder.features)
        self.scorer: Scorer | None = None
        self.scored: Linear | None = None
        if config.scorer:
            self.scorer = Scorer(config.scorer, config.scorer_tokenizer_bytes, config.scorer_tokens)
            self.scored = Linear(1)
        self.network: PodiumTransformerForSequenceClassification | None = None
        if config.network:
            self.network = PodiumTransformerForSequenceClassification(
                PodiumTransformerConfig(**config.network)
            )
        self.known: dict[bytes, float] = {}
        """Linear rewards that are given instead of computed, by text_key: while the network learns,
        those of models that did not see the prompt."""
        self.post_init()

    def add_encoder(self, encoder: PreTrainedModel, tokenizer: str, most: int) -> None:
        """Add a frozen encoder with its tokenizer as JSON, which reads `most` tokens of a text."""
        raw = tokenizer.encode()
        self.config.encoder = plain_config(encoder)
        self.config.encoder_tokenizer_bytes = len(raw)
        self.config.encoder_tokens = most
        self.embedder = Embedder(self.config.encoder, len(raw), most)
        self.embedder.model.load_state_dict(encoder.state_dict())
        self.embedder.tokenizer.copy_(torch.frombuffer(bytearray(raw), dtype=torch.uint8))
        self.embedded = Linear(self.embedder.features)
        nn.Module.to(self, self.device)

    def add_scorer(
        self, reward_model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, most: int
    ) -> None:
        """Add a frozen reward model with its tokenizer, which reads `most` tokens."""
        self.scorer = Scorer.of(reward_model, tokenizer, most)
        self.config.scorer = plain_config(reward_model)
        self.config.scorer_tokenizer_bytes = len(self.scorer.tokenizer)
        self.config.scorer_tokens = most
        self.scored = Linear(1)
        nn.Module.to(self, self.device)

    def add_network(self, config: PodiumTransformerConfig) -> None:
        """Add a network, which is to learn what the linear parts leave over."""
        self.config.network = config.to_dict()
        self.network = PodiumTransformerForSequenceClassification(config)
        nn.Module.to(self.network, self.device)

    def freeze_linear(self) -> None:
        """Keep all but the network from being trained: a loaded weight is trainable at first."""
        frozen = (self.named, self.words, self.embedder, self.embedded, self.scorer, self.scored)
        for part in frozen:
            if part is not None:
                part.requires_grad_(False)

    def drop_words(self) -> None:
        self.config.word_buckets, self.words = 0, None

    def drop_encoder(self) -> None:
        self.config.encoder, self.embedder, self.embedded = None, None, None

    def drop_scorer(self) -> None:
        self.config.scorer, self.scorer, self.scored = None, None, None

    def drop_network(self) -> None:
        self.config.network, self.network = None, None

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the network's embeddings. Raises NotImplementedError without a network."""
        if self.network is None:
            raise NotImplementedError("a linear model has no embeddings of tokens")
        return self.network.embedding

    def _init_weights(self, module: nn.Module) -> None:
        """Leave the parts as they were made: all but the network is learned or loaded."""

    def rewards(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        linear_NK = self.linear_rewards(prompts_NP, prompt_lengths_N, responses_NKR, ends_NK)
        if self.network is None:
            return linear_NK
        return linear_NK + self.network.rewards(
            prompts_NP, prompt_lengths_N, responses_NKR, ends_NK
        )

    @torch.no_grad()
    def linear_rewards(
        self, prompts_NP: Tensor, prompt_lengths_N: Tensor, responses_NKR: Tensor, ends_NK: Tensor
    ) -> Tensor:
        """Return the rewards (N, K) without the network's. The arguments are those of `rewards`."""
        rewards_NK = [[0.0] * len(ends_K) for ends_K in ends_NK]
        places: list[tuple[int, int]] = []
        prompts: list[Text] = []
        responses: list[Text] = []
        lengths, ends = prompt_lengths_N.tolist(), ends_NK.tolist()
        rows = zip(prompts_NP.cpu().numpy(), responses_NKR.cpu().numpy(), strict=True)
        for n, (prompt_P, responses_KR) in enumerate(rows):
            prompt_P = prompt_P[: lengths[n]]
            prompt = self.vocabulary.prompt(prompt_P)
            for k, response_R in enumerate(responses_KR):
                response_R = response_R[: ends[n][k] + 1]
                known = self.known.get(text_key(prompt_P, response_R)) if self.known else None
                if known is not None:
                    rewards_NK[n][k] = known
                    continue
                places.append((n, k))
                prompts.append(prompt)
                responses.append(Text(self.vocabulary.text(response_R)))
        if places:
            computed = self.text_rewards(prompts, responses).tolist()
            for (n, k), reward in zip(places, computed, strict=True):
                rewards_NK[n][k] = reward
        return torch.tensor(rewards_NK, device=ends_NK.device)

    def text_rewards(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Tensor:
        """Return the linear rewards (M,) of responses, given the prompt of each."""
        named_MF = torch.tensor(list(map(features, prompts, responses)), device=self.device)
        rewards_M = self.named(named_MF)
        if self.words is not None:
            rewards_M = rewards_M + self.words(responses)
        if self.embedder is not None and self.embedded is not None:
            rewards_M = rewards_M + self.embedded(self.embedder(prompts, responses))
        if self.scorer is not None and self.scored is not None:
            rewards_M = rewards_M + self.scored(self.scorer(prompts, responses))
        return rewards_M


def text_key(prompt: NDArray[np.integer], response: NDArray[np.integer]) -> bytes:
    """Return a key for the token ids of a response to a prompt."""
    both = np.concatenate([prompt, [-1], response]).astype(np.int32)
    return blake2b(both.tobytes(), digest_size=8).digest()
