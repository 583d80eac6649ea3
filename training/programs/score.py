"""Run `python -m training.score`: write the rewards of a project's responses to scores.jsonl."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Iterator

from training.backbones.backbone import Backbone
from training.backbones.choose import load_backbone
from training.commandline import database_project, wants_bar
from training.config import TrainConfig
from training.data.database import DatabaseSource
from training.data.encoder import TemplateRefusedError, TextEncoder
from training.data.examples import Example
from training.data.source import Prompt
from training.distributed.device import Machine, silence_transformers
from training.errors import UserError
from training.evaluation.inference import compute_rewards
from training.rankings import Identifier
from training.runs.folder import RunFolder
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
    machine = Machine.choose(config)
    machine.keep_freed_memory()
    config = machine.complete(config)
    backbone = load_backbone(folder.model, config, machine.device)
    responses = source.count_responses()
    folder.take()
    reporter.enter("scoring", steps=responses)
    backbone.model.eval()
    written = folder.write_scores(scores(config, source, backbone, machine, reporter))
    reporter.enter("done")
    reporter.say(f"{written} responses scored: {folder.scores}")


def scores(
    config: TrainConfig,
    source: DatabaseSource,
    backbone: Backbone,
    machine: Machine,
    reporter: Reporter,
) -> Iterator[tuple[Identifier, float]]:
    """Yield the id and the reward of each response, unless its prompt is refused by the model."""
    encoder = TextEncoder(
        backbone.tokenizer,
        max_prompt_tokens=config.max_prompt_tokens,
        max_response_tokens=config.max_response_tokens,
    )
    waiting: deque[Prompt] = deque()
    done = 0

    def examples() -> Iterator[Example]:
        for prompt in source.prompts():
            if not prompt.responses:
                continue
            try:
                tokens = encoder.prompt(prompt.messages)
            except TemplateRefusedError:
                continue
            waiting.append(prompt)
            texts = [response.text for response in prompt.responses]
            yield Example(tokens, encoder.responses(texts))

    def tick(responses: int) -> None:
        nonlocal done
        done += responses
        reporter.step(done)

    for rewards in compute_rewards(backbone, examples(), machine, config.tokens_per_batch, tick):
        prompt = waiting.popleft()
        yield from zip((response.id for response in prompt.responses), rewards, strict=True)
