"""Going on with a run that stopped: whether it can be, and with what model and rankings."""

from __future__ import annotations

from pathlib import Path

import torch

from training.backbones.backbone import Backbone
from training.backbones.choose import create_backbone, load_backbone
from training.config import TrainConfig, option
from training.data.dataset import Dataset
from training.data.encoder import TextEncoder
from training.data.source import Source
from training.data.staging import gather
from training.data.token_cache import open_store, tokenized
from training.errors import UserError
from training.runs.folder import RunFolder

START = "start"


def goes_on(folder: RunFolder, config: TrainConfig, source: Source) -> bool:
    """Whether the folder holds a run that stopped and can go on.

    Settings of machine and log may be others: they change how numbers are computed, not which.
    Raises UserError where other settings, or rankings from elsewhere, would begin another run.
    """
    before = folder.read_config()
    if before is None or not folder.is_unfinished:
        return False
    instead = "give what it began with to go on, or --restart to begin anew"
    for name in before.differing(config):
        raise UserError(
            f"{folder.path} holds an unfinished run with {option(name)} {getattr(before, name)},"
            f" not {getattr(config, name)}; {instead}"
        )
    if (folder.read_manifest() or {}).get("source") != source.identity():
        raise UserError(
            f"{folder.path} holds an unfinished run that learns from other rankings than"
            f" {source.name} has; {instead}"
        )
    return True


def keep_start(folder: RunFolder, config: TrainConfig, backbone: Backbone) -> None:
    """Save a model that was made from the rankings, for going on: they may grow meanwhile.

    Other processes of the run read it, too.
    """
    if config.backbone != "pretrained":
        backbone.save(folder.checkpoints / START)


def reopened_backbone(folder: RunFolder, config: TrainConfig, device: torch.device) -> Backbone:
    """The run's model without what it learned: its weights are in the checkpoint."""
    if config.backbone == "pretrained":
        return create_backbone(config, iter(()), device)
    backbone = load_backbone(folder.checkpoints / START, config, device)
    if device.type == "cpu":
        # Weights that were read lie elsewhere in memory than those that were made, and the last
        # digit of a CPU's sums depends on their addresses.
        for weight in backbone.model.parameters():
            weight.data = weight.data.clone()
    return backbone


def reopened_dataset(
    folder: RunFolder, config: TrainConfig, source: Source, encoder: TextEncoder, cache: Path
) -> Dataset:
    """The rankings that the run began with, whatever was added since. Raises UserError."""
    manifest = folder.read_manifest() or {}
    try:
        return open_store(cache, manifest.get("tokens_key", ""))
    except UserError:
        pass  # taken away: made again, if the rankings are still the same
    with gather(source, cache, config.verdicts) as spool:
        spool.split(config)
        dataset, _ = tokenized(spool, encoder, config, cache)
    if dataset.rankings_sha256 != manifest.get("rankings_sha256"):
        raise UserError(
            f"{source.name} has other rankings than when the run in {folder.path} began, and their"
            f" tokens are not in {cache} any more; begin anew with --restart"
        )
    return dataset
