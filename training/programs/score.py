"""Run `python -m training.score`: write the rewards of a project's or a file's responses."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from training.backbones.backbone import Backbone
from training.backbones.choose import load_backbone
from training.backbones.embedding_cache import remember_embeddings
from training.commandline import database_project, wants_bar
from training.config import TrainConfig
from training.data.database import DatabaseSource
from training.data.encoder import TemplateRefusedError, TextEncoder
from training.data.examples import Example, Tokens
from training.data.file import FileSource
from training.data.source import Prompt
from training.distributed.device import Device, silence_transformers
from training.errors import UserError
from training.evaluation.inference import compute_rewards
from training.formats.ranking_file import Line
from training.loop.setup import encoder_of
from training.rankings import Identifier
from training.runs.folder import RunFolder, ScoredResponse
from training.runs.json_files import json_line, write_lines
from training.runs.progress import Reporter
from training.sentences import counted, sentence

P = TypeVar("P", Prompt, Line)
"""A prompt of a project, or of a file."""


def work(arguments: argparse.Namespace, folder: RunFolder) -> None:
    """Score with the model in this folder as the parsed arguments say. Raises UserError."""
    silence_transformers()
    config = folder.read_config()
    if config is None:
        raise UserError(
            sentence(
                "%(folder)s is not the folder of a run: it has no readable config.json",
                folder=str(folder.path),
            )
        )
    # The run is over, and others may score files with its model at the same time.
    reporter = Reporter(
        None if arguments.responses else folder,
        bar=wants_bar(arguments),
        times=arguments.log_times,
    )
    try:
        if arguments.responses:
            output = arguments.output or str(folder.scores_of(arguments.responses))
            score_file(config, FileSource(arguments.responses), output, folder, reporter)
        else:
            source = DatabaseSource(*database_project(arguments))
            score_project(config, source, folder, reporter)
    finally:
        reporter.close()


def score_project(
    config: TrainConfig, source: DatabaseSource, folder: RunFolder, reporter: Reporter
) -> None:
    """Write scores.jsonl, in order of prompt and response. Raises UserError."""
    model = Model.load(folder, config)
    responses = source.count_responses()
    folder.take()
    reporter.enter("scoring", steps=responses)
    found = scored(source.prompts(), model, reporter)
    written = folder.write_scores(score for _, scores in found for score in scores)
    reporter.enter("done")
    reporter.say(f"{counted(written, 'response')} scored: {folder.scores}")


def score_file(
    config: TrainConfig, file: FileSource, output: str, folder: RunFolder, reporter: Reporter
) -> None:
    """Write a line for each response of a file, in its order. Raises UserError."""
    reporter.say(file.how_read())
    reporter.enter("loading", steps=file.size())
    # To the end, so that a bad line is found before the work begins.
    responses = sum(len(line.responses) for line in file.lines(reporter.step, rankings=False))
    if not responses:
        raise UserError(f"{file.path} has no responses")
    model = Model.load(folder, config)
    reporter.enter("scoring", steps=responses)
    found = scored(file.lines(rankings=False), model, reporter)
    lines = (line for prompt, scores in found for line in described(prompt, scores))
    written = print_lines(lines) if output == "-" else write_lines(Path(output), lines)
    reporter.enter("done")
    where = "standard output" if output == "-" else output
    reporter.say(f"{counted(written, 'response')} scored: {where}")


def described(prompt: Line, scores: list[ScoredResponse]) -> Iterator[dict[str, Any]]:
    """Yield what is written of each response of a file."""
    for response, score in zip(prompt.responses, scores, strict=True):
        yield {
            "prompt": prompt.external_id or prompt.number,
            "response": response.id,
            "text_sha256": hashlib.sha256(response.text.encode()).hexdigest(),
            **({"source": response.source} if response.source else {}),
            "score": score.reward,
            **({"same_as": score.same_as} if score.same_as is not None else {}),
        }


def print_lines(objects: Iterable[dict[str, Any]]) -> int:
    """Write lines to standard output until its reader stops, and return how many they are."""
    count = 0
    try:
        for value in objects:
            sys.stdout.write(json_line(value))
            count += 1
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the rest when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return count


@dataclass(frozen=True, slots=True)
class Model:
    """Hold the model of a run, ready to score."""

    backbone: Backbone
    config: TrainConfig
    device: Device

    @classmethod
    def load(cls, folder: RunFolder, config: TrainConfig) -> Model:
        """Load the model of a run. Raises UserError."""
        device = Device.choose(config)
        device.keep_freed_memory()
        config = device.complete(config)
        backbone = load_backbone(folder.model, config, device.torch_device)
        remember_embeddings(backbone, folder.token_cache)
        backbone.model.eval()
        return cls(backbone, config, device)


def scored(
    prompts: Iterable[P], model: Model, reporter: Reporter
) -> Iterator[tuple[P, list[ScoredResponse]]]:
    """Yield each prompt with the scores of its responses.

    Prompts that the model's chat template refuses are left out, and their numbers said at the end.
    """
    waiting: deque[tuple[P, list[Tokens]]] = deque()
    refused: Counter[str] = Counter()
    rewards = compute_rewards(
        model.backbone,
        encoded(prompts, encoder_of(model.backbone, model.config), waiting, refused),
        model.device,
        model.config.tokens_per_batch,
        tick=reporter.advance,
    )
    for row in rewards:
        prompt, tokens = waiting.popleft()
        yield prompt, scores_of([response.id for response in prompt.responses], tokens, row)
    for why, count in refused.items():
        reporter.say(f'warning: the chat template refuses {counted(count, "prompt")}: "{why}"')


def encoded(
    prompts: Iterable[P],
    encoder: TextEncoder,
    waiting: deque[tuple[P, list[Tokens]]],
    refused: Counter[str],
) -> Iterator[Example]:
    """Yield each prompt with responses as tokens, and add it and these to `waiting`.

    Prompts that the model's chat template refuses are left out, and counted by its reason.
    """
    for prompt in prompts:
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


def scores_of(
    responses: list[Identifier], tokens: list[Tokens], rewards: list[float]
) -> list[ScoredResponse]:
    """Return the scores of a prompt's responses."""
    first: dict[bytes, Identifier] = {}
    scores = []
    for response, cut, reward in zip(responses, tokens, rewards, strict=True):
        same_as = first.setdefault(cut.tobytes(), response)
        scores.append(ScoredResponse(response, reward, None if same_as == response else same_as))
    return scores
