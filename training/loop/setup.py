"""Set up a run: its model and its tokenised rankings, new or as they were when it stopped."""

from __future__ import annotations

import platform
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from training.aggregation import RankingFilter
from training.backbones.backbone import Backbone
from training.backbones.choose import create_backbone
from training.backbones.embedding_cache import remember_embeddings
from training.backbones.features import PodiumFeaturesForSequenceClassification
from training.backbones.pooled import PodiumPooledForSequenceClassification
from training.backbones.pooling import pooling_of
from training.config import ModelSettings, RankingsSettings, TrainConfig
from training.data.dataset import Dataset
from training.data.elements import Members, sets_of_responses
from training.data.encoder import TextEncoder
from training.data.source import Source
from training.data.staging import stage
from training.data.token_cache import tokenized
from training.distributed.device import Device
from training.distributed.fsdp import shard
from training.errors import UserError
from training.loop.resume import resume_backbone, resume_dataset, save_start
from training.runs.folder import RunFolder
from training.runs.progress import Reporter
from training.selection.learn import learn_linear
from training.sentences import counted, sentence


def begin(
    config: TrainConfig,
    source: Source,
    device: Device,
    folder: RunFolder,
    cache: Path,
    resuming: bool,
    reporter: Reporter,
) -> tuple[Backbone, Dataset, bool]:
    """Return the model in training mode, the rankings, and whether their tokens were cached.

    The first process reads the source and makes what the others find. All processes call this.
    Raises UserError.
    """
    group = device.group
    with group.first_then_others():
        if group.is_first and not resuming:
            backbone, dataset, from_cache = _create(config, source, device, folder, cache, reporter)
        else:
            backbone = resume_backbone(folder, config, device.torch_device)
            remember_embeddings(backbone, cache)
            encoder = encoder_of(backbone, config)
            dataset = resume_dataset(folder, config, source, encoder, cache)
            from_cache = True
    backbone.model.train()
    ways = set(group.all_gather((backbone.layout, backbone.attention)))
    if len(ways) > 1:  # each process chooses for its own machine
        raise UserError(
            sentence(
                "the processes chose to compute in several ways, %(ways)s; use --attention",
                ways=str(ways),
            )
        )
    if group.sharded:
        group.broadcast_weights(chain(backbone.model.parameters(), backbone.model.buffers()))
        shard(backbone.model, group)
    return backbone, dataset, from_cache


def _create(
    config: TrainConfig,
    source: Source,
    device: Device,
    folder: RunFolder,
    cache: Path,
    reporter: Reporter,
) -> tuple[Backbone, Dataset, bool]:
    """Split the rankings, create a model, tokenise, and write down what the run learns from."""
    reporter.enter("loading", steps=source.size())
    with stage(source, cache, config.aggregation, reporter.step) as staging:
        staging.split(config)
        backbone = create_backbone(config, staging.training_texts(), device.torch_device)
        remember_embeddings(backbone, cache)
        reporter.enter("tokenizing", steps=staging.count_prompts())
        encoder = encoder_of(backbone, config)
        dataset, from_cache = tokenized(staging, encoder, cache, reporter.advance)
    choice = None
    if isinstance(backbone.model, PodiumFeaturesForSequenceClassification):
        choice = learn_linear(backbone.model, dataset.train, config, reporter)
    if config.backbone != "pretrained":
        save_start(folder, backbone)
    folder.write_held_out(dataset.unseen_ids())
    folder.write_manifest(manifest(config, source, dataset, backbone, device, choice))
    return backbone, dataset, from_cache


def encoder_of(backbone: Backbone, config: RankingsSettings) -> TextEncoder:
    """Return the model's tokenizer as an encoder with the limits of the settings."""
    return TextEncoder(
        backbone.tokenizer,
        max_prompt_tokens=config.max_prompt_tokens,
        max_response_tokens=config.max_response_tokens,
    )


def count_parameters(backbone: Backbone) -> tuple[int, int]:
    """Return the numbers of all parameters, and of those that are trained."""
    weights = list(backbone.model.parameters())
    trained = (weight for weight in weights if weight.requires_grad)
    return sum(w.numel() for w in weights), sum(w.numel() for w in trained)


def manifest(
    config: TrainConfig,
    source: Source,
    dataset: Dataset,
    backbone: Backbone,
    device: Device,
    choice: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the contents of manifest.json: what the run learns from, and what it runs on."""
    by_labeller, by_nobody = dataset.rankings_by_labeller()
    train = dataset.train
    return {
        "project": source.name,
        "source": source.identity(),
        "aggregation": config.aggregation,
        "ranking_filter": RankingFilter.of(config.to_json()).to_json(),
        **asdict(dataset.counts),
        "train_sets": len(Members(sets_of_responses(train.prompt_rows, train.places))),
        "rankings_by_labeller": by_labeller,
        "rankings_by_nobody": by_nobody,
        "rankings_sha256": dataset.rankings_sha256,
        "ranking_versions": source.ranking_versions(),
        "tokens_key": dataset.key,
        "layout": backbone.layout,
        "attention": backbone.attention,
        "device": device.describe(),
        "seed": config.seed,
        **({"choice": choice} if choice else {}),
        **(_pretrained(backbone, config) if config.backbone == "pretrained" else {}),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": np.__version__,
        },
    }


def merges_rankings(folder: RunFolder) -> bool:
    """Return True unless an earlier version began the run, which learned each ranking by itself."""
    return "train_sets" in (folder.read_manifest() or {})


def _pretrained(backbone: Backbone, config: ModelSettings) -> dict[str, Any]:
    """Return the entries of manifest.json on a pretrained model: what of it is trained."""
    return {
        "head": "new" if backbone.head_is_new else "loaded",
        "lora_rank": config.lora_rank,
        "freeze": config.freeze,
        "pooling": pooling_of(backbone.model),
        "own_code": isinstance(backbone.model, PodiumPooledForSequenceClassification),
        "trained_parameters": count_parameters(backbone)[1],
    }


def describe(
    dataset: Dataset,
    from_cache: bool,
    backbone: Backbone,
    config: TrainConfig,
    device: Device,
    steps: int,
) -> str:
    """Return the lines that the terminal shows before the first step."""
    counts = dataset.counts
    parameters, trained = count_parameters(backbone)
    return (
        f"{counted(counts.train_rankings, 'ranking')} of {counted(counts.train_prompts, 'prompt')}"
        " to learn from,"
        f" {counts.held_out_rankings:,} of {counts.held_out_prompts:,} held out;"
        f" {counts.all_tied:,} all tied, {counts.duplicates:,} given twice,"
        f" {counts.dropped_rankings + counts.cut_equal_rankings:,} dropped;"
        f" cut: {counted(counts.truncated_prompts, 'prompt')},"
        f" {counted(counts.truncated_responses, 'response')}\n"
        f"{counted(counts.tokens, 'token')}{' from cache' if from_cache else ''},"
        f" at most {config.max_prompt_tokens} of a prompt and {config.max_response_tokens} of a"
        " response\n"
        f"{parameters:,} parameters{f' ({trained:,} trained)' if 0 < trained < parameters else ''},"
        f" {backbone.layout} layout, {device.describe()}, "
        f"{counted(steps, 'step') if steps else 'no optimiser steps'}"
    )
