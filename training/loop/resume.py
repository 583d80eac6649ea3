"""Resume a run that stopped: check that this is possible, and reopen its model and rankings."""

from __future__ import annotations

from pathlib import Path

import torch

from training.backbones.backbone import Backbone
from training.backbones.choose import create_backbone, load_backbone
from training.backbones.features import PodiumFeaturesForSequenceClassification
from training.config import TrainConfig, option
from training.data.dataset import Dataset
from training.data.encoder import TextEncoder
from training.data.source import Source
from training.data.staging import stage
from training.data.token_cache import open_store, tokenized
from training.errors import UserError
from training.runs.folder import RunFolder
from training.selection.residual import load_known, save_known
from training.sentences import sentence

START = "start"


def can_resume(folder: RunFolder, config: TrainConfig, source: Source) -> bool:
    """Return True if the folder holds a run that stopped and can be resumed.

    The settings of machine and log may differ: they change how numbers are computed, not which.
    Raises UserError where other settings, or rankings from elsewhere, would begin another run.
    """
    before = folder.read_config()
    if before is None or not folder.is_unfinished:
        return False
    instead = sentence("give what it began with to go on, or --restart to start over")
    config = config.filled_from(before)
    for name in before.differing(config):
        raise UserError(
            sentence(
                "%(folder)s holds an unfinished run with %(option)s %(before)s, not %(now)s;"
                " %(instead)s",
                folder=str(folder.path),
                option=option(name),
                before=str(getattr(before, name)),
                now=str(getattr(config, name)),
                instead=instead,
            )
        )
    if (folder.read_manifest() or {}).get("source") != source.identity():
        raise UserError(
            sentence(
                "%(folder)s holds an unfinished run that learns from other rankings than"
                " %(source)s has; %(instead)s",
                folder=str(folder.path),
                source=source.name,
                instead=instead,
            )
        )
    return True


def save_start(folder: RunFolder, backbone: Backbone) -> None:
    """Save a model from scratch as the run began, because the rankings may grow meanwhile.

    The other processes of the run read it too.
    """
    backbone.save(folder.checkpoints / START)
    if isinstance(backbone.model, PodiumFeaturesForSequenceClassification):
        save_known(backbone.model, folder.checkpoints / START)


def resume_backbone(folder: RunFolder, config: TrainConfig, device: torch.device) -> Backbone:
    """Return the model as the run began; its trained weights are in the checkpoint."""
    if config.backbone == "pretrained":
        return create_backbone(config, iter(()), device)
    backbone = load_backbone(folder.checkpoints / START, config, device)
    if isinstance(backbone.model, PodiumFeaturesForSequenceClassification):
        load_known(backbone.model, folder.checkpoints / START)
    if device.type == "cpu":
        # Weights that were read lie elsewhere in memory than those that were made, and the last
        # digit of a CPU's sums depends on their addresses.
        for weight in backbone.model.parameters():
            weight.data = weight.data.clone()
    return backbone


def resume_dataset(
    folder: RunFolder, config: TrainConfig, source: Source, encoder: TextEncoder, cache: Path
) -> Dataset:
    """Return the rankings that the run began with, without later ones. Raises UserError."""
    manifest = folder.read_manifest() or {}
    try:
        return open_store(cache, manifest.get("tokens_key", ""))
    except UserError:
        pass  # taken away: made again, if the rankings are still the same
    with stage(source, cache, config.aggregation) as staging:
        staging.split(config)
        dataset, _ = tokenized(staging, encoder, cache)
    if dataset.rankings_sha256 != manifest.get("rankings_sha256"):
        raise UserError(
            sentence(
                "%(source)s has other rankings than when the run in %(folder)s began, and their"
                " tokens are not in %(cache)s any more; start over with --restart",
                source=source.name,
                folder=str(folder.path),
                cache=str(cache),
            )
        )
    return dataset
