"""A saved model, ready to score responses to prompts of any origin."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from transformers import PreTrainedModel

from training.backbones.backbone import Backbone
from training.backbones.choose import load_backbone
from training.backbones.features import PodiumFeaturesForSequenceClassification
from training.backbones.lastlayer import LastLayer
from training.config import TrainConfig
from training.data.encoder import TemplateRefusedError, TextEncoder
from training.data.examples import Example, Tokens
from training.distributed.device import Device, silence_transformers
from training.errors import UserError
from training.evaluation.inference import compute_rewards, split_up
from training.evaluation.posterior import INTERVAL, Posterior, differences
from training.rankings import Message
from training.runs.digest import digest_of
from training.runs.folder import MODEL, RunFolder
from training.runs.length import LengthPart, stored_part
from training.runs.outcomes import OutcomeModel
from training.saving.model_card import FACTS
from training.serving.items import Encoded, Item, Scored, is_blank

CHARACTERS_PER_TOKEN = 64
"""Characters of a text that are read, for each token that the model reads: many times what a token
has. The others would be cut in any case, and take long to encode."""
DeviceKind = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Certainty:
    """Hold what tells how sure a model is of its rewards."""

    last: LastLayer
    posterior: Posterior
    outcomes: OutcomeModel | None
    """The probabilities that leads with a variance stand for, if they are the better ones."""

    @classmethod
    def load(cls, saved: Path, backbone: Backbone, facts: dict[str, Any]) -> Certainty | None:
        """Return what a model's folder holds, or None if there is nothing that fits the model.

        A damaged file is reported, and the rewards are served without intervals.
        """
        known = facts.get("intervals")
        if not isinstance(known, dict):
            return None
        try:
            posterior = Posterior.load(saved)
        except UserError as error:
            print(f"warning: rewards have no intervals: {error}", file=sys.stderr)
            return None
        last = LastLayer.of(backbone)
        if posterior is None or last is None:
            return None
        if len(posterior.scales_F) != sum(last.sizes.values()):
            print("warning: rewards have no intervals: they are another model's", file=sys.stderr)
            return None
        scaling = known.get("temperature")
        outcomes = OutcomeModel.of(scaling, facts.get("davidson_nu"))
        return cls(last, posterior, None if scaling is None else outcomes)


class Spread(NamedTuple):
    """Hold how sure a model is of its rewards of the responses to one prompt."""

    variances: NDArray[np.float64]
    """Variance of the difference of each pair of rewards."""
    half_widths: NDArray[np.float64]
    """Half the 95 % interval of each reward's distance from the mean of all."""


Key = tuple[bytes, bytes, bool]
"""The tokens of a prompt and of a response, and whether features are asked for."""


class Computed(NamedTuple):
    """Hold a reward, and one row with the features of the last layer if they were asked for."""

    reward: float
    features: csr_array | None = None


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Hold a model with everything that its answers need."""

    backbone: Backbone
    encoder: TextEncoder
    device: Device
    budget: int
    """Tokens of a batch."""
    threads: int
    """Threads in which torch computes one operation."""
    name: str
    run: str
    """Name of the run's folder."""
    digest: str
    """Beginning of the SHA-256 of the model's files."""
    mean: float
    std: float
    """Mean and standard deviation of the rewards of held-out responses."""
    outcomes: OutcomeModel
    """The probabilities that leads stand for."""
    length: LengthPart | None
    """Coefficients of the part of the rewards that length explains, if they were learned."""
    certainty: Certainty | None = None
    """Tell how sure the model is of its rewards, if that was learned."""

    @classmethod
    def load(
        cls, folder: Path, device: DeviceKind | None = None, name: str | None = None
    ) -> ServedModel:
        """Load the model of a run, from the run's folder or from the model's own.

        Without a device, the run's setting decides; without a name, it is the folder's. Raises
        UserError.
        """
        silence_transformers()
        saved = folder / MODEL if (folder / MODEL).is_dir() else folder
        facts = read_facts(saved)
        config = RunFolder(saved.parent).read_config() or TrainConfig(backbone="pretrained")
        config = replace(config, device=device or config.device)
        chosen = Device.choose(config)
        chosen.keep_freed_memory()
        config = chosen.complete(config)
        backbone = load_backbone(saved, config, chosen.torch_device)
        backbone.model.eval()
        encoder = TextEncoder(
            backbone.tokenizer,
            max_prompt_tokens=facts["max_prompt_tokens"],
            max_response_tokens=facts["max_response_tokens"],
        )
        run = saved.parent.name if saved.name == MODEL else saved.name
        return cls(
            backbone=backbone,
            encoder=encoder,
            device=chosen,
            budget=config.tokens_per_batch,
            threads=threads_for(backbone.model),
            name=name or run,
            run=run,
            digest=digest_of(saved),
            mean=facts["reward_mean"],
            std=facts["reward_std"] or 1.0,
            outcomes=OutcomeModel.of(facts.get("temperature"), facts.get("davidson_nu")),
            length=stored_part(facts.get("length_part")),
            certainty=Certainty.load(saved, backbone, facts),
        )

    def encode(
        self, items: Sequence[Item], *, score_cut: bool, features: bool = False
    ) -> list[Encoded]:
        """Return responses as token ids; those cut are valid only if `score_cut` is true.

        With `features`, the features of the last layer are asked for, where they tell something.

        One thread may do this at a time, because the encoder counts what it cuts.
        """
        prompts: dict[tuple[tuple[str, str], ...], Encoded] = {}
        for item in items:
            key = key_of(item)
            if key not in prompts:
                prompts[key] = self._encode_prompt(item)
        most = CHARACTERS_PER_TOKEN * self.encoder.max_response_tokens
        read = [item.response[:most] for item in items]
        encoded = [
            self._join(
                item._replace(response=text),
                prompts[key_of(item)],
                tokens,
                is_cut or len(text) < len(item.response),
                score_cut=score_cut,
            )
            for item, text, (tokens, is_cut) in zip(
                items, read, self.encoder.responses_and_cuts(read), strict=True
            )
        ]
        if not features or self.certainty is None:
            return encoded
        return [each._replace(features=each.valid) for each in encoded]

    def _encode_prompt(self, item: Item) -> Encoded:
        messages = newest(item.messages, CHARACTERS_PER_TOKEN * self.encoder.max_prompt_tokens)
        if all(is_blank(message["content"]) for message in messages):
            return Encoded(kind="empty", problem="the prompt is empty")
        before = self.encoder.prompts_cut
        try:
            prompt = self.encoder.prompt(messages)
        except TemplateRefusedError as error:
            return Encoded(kind="not_understood", problem=str(error))
        is_cut = self.encoder.prompts_cut > before or messages != item.messages
        return Encoded(prompt, cut=("prompt",) if is_cut else ())

    def _join(
        self, item: Item, prompt: Encoded, response: Tokens, is_cut: bool, *, score_cut: bool
    ) -> Encoded:
        """Return a response with its prompt, or the first reason why it has no valid reward."""
        if item.problem:
            return Encoded(kind="not_understood", problem=item.problem)
        if is_blank(item.response):
            return Encoded(kind="empty", problem="the response is empty")
        if prompt.kind:
            return prompt
        whole = prompt._replace(response=response)
        if is_cut:
            whole = whole._replace(cut=(*prompt.cut, "response"))
        if not whole.cut or score_cut:
            return whole
        limits = {
            "prompt": self.encoder.max_prompt_tokens,
            "response": self.encoder.max_response_tokens,
        }
        part = whole.cut[0]
        problem = f"the {part} is longer than {limits[part]} tokens"
        return whole._replace(kind="cut", problem=problem)

    def rewards(self, encoded: Sequence[Encoded]) -> list[Scored]:
        """Return the rewards; each prompt is computed once for all of its responses here."""
        torch.set_num_threads(self.threads)  # of this thread: each model has one of its own
        found: dict[Key, Computed] = {}
        for features, compute in ((False, self._compute), (True, self._compute_with_features)):
            examples = by_prompt(each for each in encoded if each.features is features)
            for example, computed in zip(examples, compute(examples), strict=True):
                for response, one in zip(example.responses, computed, strict=True):
                    found[example.prompt.tobytes(), response.tobytes(), features] = one
        return [scored(each, found) for each in encoded]

    def _compute(self, examples: Sequence[Example]) -> Iterator[list[Computed]]:
        """Yield the rewards of each example's responses."""
        for rewards in compute_rewards(self.backbone, iter(examples), self.device, self.budget):
            yield [Computed(reward) for reward in rewards]

    def _compute_with_features(self, examples: Sequence[Example]) -> Iterator[list[Computed]]:
        """Yield the rewards of each example's responses, and what its last layer reads."""
        if self.certainty is None:
            return
        for example in examples:
            found: list[Computed] = []
            for _, part in split_up([example], self.budget):
                with self.device.autocast():
                    rewards_B, rows_BF = self.certainty.last.read([part])
                found += [
                    Computed(reward, rows_BF[[place]])
                    for place, reward in enumerate(rewards_B.tolist())
                ]
            yield found

    def spread(self, scored: Sequence[Scored]) -> Spread | None:
        """Return how sure the model is of the valid rewards; None where that is not known."""
        rows = [one.features for one in scored if one.reward is not None]
        if self.certainty is None or len(rows) < 2 or any(row is None for row in rows):
            return None
        covariance = self.certainty.posterior.covariance(csr_array(vstack(rows, format="csr")))
        own = np.diagonal(covariance)
        from_mean = own - 2 * covariance.mean(axis=1) + covariance.mean()
        half_widths = INTERVAL * np.sqrt(np.maximum(from_mean, 0.0))
        return Spread(differences(covariance), half_widths)

    def without_length(self, reward: float, response: str) -> float | None:
        """Return the reward without the part that length explains, if that was learned."""
        return None if self.length is None else reward - self.length.of(len(response))

    def standardised(self, reward: float) -> float:
        """Return the reward in standard deviations of held-out rewards from their mean."""
        return (reward - self.mean) / self.std


def threads_for(model: PreTrainedModel) -> int:
    """Return the number of threads in which torch computes an operation of a model fastest.

    The tensors of a linear model are so small that threads wait for each other longer than they
    compute (docs/benchmarks.md, "The reward service").
    """
    is_linear = isinstance(model, PodiumFeaturesForSequenceClassification)
    is_small = is_linear and not (model.network or model.embedder or model.scorer)
    return 1 if is_small else torch.get_num_threads()


def key_of(item: Item) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in item.messages)


def newest(messages: Sequence[Message], most: int) -> Sequence[Message]:
    """Return messages with the last `most` characters of their contents."""
    if sum(len(message["content"]) for message in messages) <= most:
        return messages
    found: list[Message] = []
    for message in reversed(messages):
        content = message["content"]
        kept = content[max(0, len(content) - most) :] if most else ""
        found.append({"role": message["role"], "content": kept})
        most -= len(kept)
    return found[::-1]


def by_prompt(encoded: Iterable[Encoded]) -> list[Example]:
    """Return the valid responses by prompt, each prompt and each of its responses once."""
    found: dict[bytes, tuple[Tokens, dict[bytes, Tokens]]] = {}
    for each in encoded:
        if each.valid and each.prompt is not None and each.response is not None:
            _, responses = found.setdefault(each.prompt.tobytes(), (each.prompt, {}))
            responses[each.response.tobytes()] = each.response
    return [Example(prompt, list(responses.values())) for prompt, responses in found.values()]


def scored(each: Encoded, found: Mapping[Key, Computed]) -> Scored:
    if not each.valid or each.prompt is None or each.response is None:
        return Scored(None, each.cut, each.kind, each.problem)
    tokens = len(each.prompt) + len(each.response)
    reward, features = found[each.prompt.tobytes(), each.response.tobytes(), each.features]
    if not math.isfinite(reward):
        return Scored(None, each.cut, "not_understood", "the model gives no finite reward", tokens)
    return Scored(reward, each.cut, tokens=tokens, features=features)


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what Podium wrote beside a model. Raises UserError if there is none."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder} does not hold a model that Podium saved: {FACTS} cannot be read"
        ) from error
    if not isinstance(facts, dict) or not {
        *("max_prompt_tokens", "max_response_tokens", "reward_mean", "reward_std"),
    } <= set(facts):
        raise UserError(f"{folder / FACTS} was written by another version; train the model again")
    return facts
