"""Run `python -m training.score`: write the rewards of a project's responses to scores.jsonl."""

from __future__ import annotations

import argparse
from collections import Counter, deque
from collections.abc import Iterator

from training.backbones.choose import load_backbone
from training.commandline import database_project, wants_bar
from training.config import TrainConfig
from training.data.database import DatabaseSource
from training.data.encoder import TemplateRefusedError, TextEncoder
from training.data.examples import Example, Tokens
from training.data.source import Prompt
from training.distributed.device import Device, silence_transformers
from training.errors import UserError
from training.evaluation.inference import compute_rewards
from training.loop.setup import encoder_of
from training.rankings import Identifier
from training.runs.folder import RunFolder, ScoredResponse
from training.runs.progress import Reporter


def work(arguments: argparse.Namespace, folder: RunFolder) -> None:
    """Score with the model in this folder as the parsed arguments say. Raises UserError."""
    silence_transformers()
    config = folder.read_config()
    if config is None:
        raise UserError(f"{folder.path} is not the folder of a run: it has no readable config.json")
    source = DatabaseSource(*database_project(arguments))
    reporter = Reporter(folder, bar=wants_bar(arguments))
    try:
        score(config, source, folder, reporter)
    finally:
        reporter.close()


def score(
    config: TrainConfig, source: DatabaseSource, folder: RunFolder, reporter: Reporter
) -> None:
    """Write scores.jsonl, in order of prompt and response. Raises UserError."""
    device = Device.choose(config)
    device.keep_freed_memory()
    config = device.complete(config)
    backbone = load_backbone(folder.model, config, device.torch_device)
    responses = source.count_responses()
    folder.take()
    reporter.enter("scoring", steps=responses)
    backbone.model.eval()
    waiting: deque[tuple[Prompt, list[Tokens]]] = deque()
    refused: Counter[str] = Counter()
    examples = encoded(source, encoder_of(backbone, config), waiting, refused)
    rewards = compute_rewards(
        backbone, examples, device, config.tokens_per_batch, tick=reporter.advance
    )
    written = folder.write_scores(scores(waiting, rewards))
    reporter.enter("done")
    for why, prompts in refused.items():
        reporter.say(f'warning: the chat template refuses {prompts} prompts: "{why}"')
    reporter.say(f"{written} responses scored: {folder.scores}")


def encoded(
    source: DatabaseSource,
    encoder: TextEncoder,
    waiting: deque[tuple[Prompt, list[Tokens]]],
    refused: Counter[str],
) -> Iterator[Example]:
    """Yield each prompt with responses as tokens, and add it and these to `waiting`.

    Prompts that the model's chat template refuses are left out, and counted by its reason.
    """
    for prompt in source.prompts():
        if not prompt.responses:
            continue
        try:
            tokens = encoder.prompt(prompt.messages)
        except TemplateRefusedError as error:
            refused[error.reason] += 1
            continue
        responses = encoder.responses([response.text for response in prompt.responses])
        waiting.append((prompt, responses))
        yield Example(tokens, responses)


def scores(
    waiting: deque[tuple[Prompt, list[Tokens]]], rewards: Iterator[list[float]]
) -> Iterator[ScoredResponse]:
    """Yield the score of each response, given the rewards of the waiting prompts."""
    for row in rewards:
        prompt, tokens = waiting.popleft()
        first: dict[bytes, Identifier] = {}
        for response, cut, reward in zip(prompt.responses, tokens, row, strict=True):
            same_as = first.setdefault(cut.tobytes(), response.id)
            yield ScoredResponse(response.id, reward, None if same_as == response.id else same_as)
