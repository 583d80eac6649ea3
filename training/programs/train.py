"""What `python -m training.train` does: load, split, tokenise, loop, save, judge."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from training.backbones.backbone import Backbone
from training.commandline import database_project, wants_bar
from training.config import TrainConfig, from_arguments
from training.data.batching import Batches
from training.data.database import DatabaseSource
from training.data.file import FileSource
from training.data.source import Source
from training.distributed.device import Machine, silence_transformers
from training.distributed.processes import ALONE, Processes
from training.errors import StoppedError, UserError
from training.evaluation.evaluate import (
    Side,
    Verdict,
    brief,
    curves,
    held_out,
    held_out_metrics,
    judge,
    judgements,
    learned_from,
    rewards_of,
)
from training.evaluation.labeller_agreement import labellers_agree
from training.evaluation.report import summary
from training.evaluation.summary import baselines, show
from training.loop.checkpoint import Checkpoints
from training.loop.loss import RankingLoss
from training.loop.optimizers import learning_rate_at, make_optimizer
from training.loop.resume import goes_on, reopened_backbone
from training.loop.setup import begin, describe
from training.loop.state import Standing
from training.loop.step import backward, shorten_gradients
from training.runs.folder import RunFolder, finite
from training.runs.progress import MetricLog, Reporter
from training.runs.signals import (
    asked,
    saving_first,
    stopped,
)
from training.saving.model_card import write_model_card
from training.saving.verify import save_verified


def work(arguments: argparse.Namespace, folder: RunFolder) -> None:
    silence_transformers()
    config = from_arguments(arguments)
    # What can be mistyped comes first: start() takes an earlier run's results away.
    source: Source = (
        FileSource(arguments.rankings)
        if arguments.rankings
        else DatabaseSource(*database_project(arguments))
    )
    processes = Processes.join(config)
    machine = Machine.choose(config, processes)
    machine.keep_freed_memory()
    config = machine.complete(config)

    def reopened() -> bool:
        # torchrun starts processes again that failed, with the same command.
        anew = arguments.restart and not int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
        unfinished = not anew and goes_on(folder, config, source)
        if unfinished:
            folder.reopen()
        else:
            folder.start()
        folder.write_config(config)
        return unfinished

    unfinished = processes.of_first(reopened)
    reporter = Reporter(folder, bar=wants_bar(arguments), silent=not processes.is_first)
    try:
        cache = arguments.cache_folder or folder.path.parent / "cache"
        train(config, source, machine, folder, cache, reporter, unfinished)
    finally:
        reporter.close()


def train(
    config: TrainConfig,
    source: Source,
    machine: Machine,
    folder: RunFolder,
    cache: Path,
    reporter: Reporter,
    unfinished: bool,
) -> None:
    """One run, top to bottom, or what is left of it. Raises UserError."""
    started = time.monotonic()
    processes = machine.processes
    reporter.enter("loading")
    torch.manual_seed(config.seed)

    # 1. Load: what is there, which prompts are held out, a model, and everything as token ids
    backbone, dataset, from_cache = begin(config, source, machine, folder, cache, unfinished)

    # 2. Loop: evaluate, save, stop, step, log
    objective = RankingLoss(config).to(machine.device)
    optimizer = make_optimizer(backbone, objective, config)
    checkpoints = Checkpoints(
        folder.checkpoints,
        {"model": backbone.model, "objective": objective},
        optimizer,
        config.checkpoint_minutes,
        processes,
    )
    standing = Standing(config.tokens_per_batch)
    if unfinished:
        standing = checkpoints.restore()
        # It may have become smaller where memory ran out, or by what is asked for now.
        standing.tokens_per_batch = min(standing.tokens_per_batch, config.tokens_per_batch)
        started -= standing.seconds
        reporter.say(f"going on after step {standing.step}")
    log = MetricLog(folder, standing.step, silent=not processes.is_first)
    batches = Batches(dataset.train, dataset.train.ranks, config)
    steps = min(batches.per_epoch * config.epochs, config.max_steps or sys.maxsize)
    evaluate_every = config.evaluate_every or batches.per_epoch
    reporter.say(describe(dataset, from_cache, backbone, machine, steps))
    reporter.enter("training", steps=steps, step=standing.step)

    def judge_on(side: Side) -> Verdict:
        return judged(side, backbone, objective, machine, standing, reporter)

    def save() -> None:
        log.flush()
        checkpoints.save(standing)

    verdict: Verdict | None = None
    with saving_first():
        try:
            for step in range(standing.step, steps + 1):
                if number := processes.most([asked()])[0]:
                    raise stopped(number)
                if step == steps or step % evaluate_every == 0:
                    verdict = None  # so that the last one's tables do not lie beside the next one's
                    verdict = judge_on(held_out(dataset))
                    if step not in standing.held_out:
                        if config.keep == "best" and standing.would_be_best(verdict.loss):
                            checkpoints.save_best(step)
                        log.held_out(step, curves(verdict))
                        standing.held_out[step] = verdict.loss

                if processes.of_first(lambda: checkpoints.are_due):
                    save()

                if step == steps or standing.is_stuck(config.patience):
                    break

                learning_rate = learning_rate_at(step, steps, config)
                step_started = time.monotonic()
                rankings = batches[step]
                reading = time.monotonic() - step_started
                done = standing.within_memory(
                    partial(backward, backbone, objective, rankings, machine),
                    reporter.say,
                    before_again=optimizer.zero_grad,
                    processes=processes,
                ).over(processes)
                processes.sum_gradients(objective.parameters())
                if not processes.sharded:
                    processes.sum_gradients(backbone.model.parameters())
                norm = shorten_gradients(backbone, config.max_grad_norm)
                if not math.isfinite(done.loss) or not math.isfinite(norm):
                    raise UserError(
                        f"the loss is not a number at step {step + 1};"
                        " lower --learning-rate, or use --precision float32"
                    )
                optimizer.step(learning_rate)
                optimizer.zero_grad()
                now = time.monotonic()
                standing.count(
                    done,
                    new_epoch=step % batches.per_epoch == 0,
                    seconds=now - started,
                    took=now - step_started,
                    reading=reading,
                )
                values = {
                    "loss": done.loss,
                    "accuracy": done.accuracy,
                    "learning_rate": learning_rate,
                    "tokens_per_second": done.tokens / (now - step_started),
                    **objective.figures(),
                }
                if (step + 1) % config.log_every == 0:
                    log.training_step(step + 1, values, standing.seconds)
                reporter.step(
                    step + 1,
                    loss=done.loss,
                    accuracy=done.accuracy,
                    tokens_per_second=values["tokens_per_second"],
                )
            # The weights of the last step, or of the best one, are in the last checkpoint.
            save()
        except StoppedError:  # in all processes, with the weights of the last step that is done
            save()
            raise

    # 3. Save: from here one process goes on
    if not processes.is_first:
        processes.leave()  # when the first is done: launchers wait for each other only so long
        return
    machine = replace(machine, processes=ALONE)
    if processes.sharded:
        backbone = put_together(checkpoints, folder, config, machine)
    kept = standing.best if config.keep == "best" else standing.step
    if kept != standing.step:
        checkpoints.restore_weights(kept)
        verdict = None
    verdict = verdict or judge_on(held_out(dataset))
    reporter.enter("saving")
    rewards = [reward for row in verdict.rewards.values() for reward in row]
    for warning in save_verified(backbone, folder, dataset, config, rewards):
        reporter.say(warning)

    # 4. Judge: what the run is worth
    train_side = standing.last_epoch.metrics(dataset.counts.train_prompts)
    train_side["after"] = brief(judge_on(learned_from(dataset)))
    beside = baselines(verdict, dataset, config, reporter)
    metrics = finite(
        {
            "train": train_side,
            "held_out": held_out_metrics(verdict, beside),
            "labellers_agree": labellers_agree(dataset),
            **objective.figures(),
            "steps": standing.step,
            "kept_step": kept,
            "seconds": round(time.monotonic() - started, 3),
            "reading_share": standing.reading_seconds / (standing.step_seconds or math.inf),
            "tokens": standing.tokens,
            "parameters": sum(weight.numel() for weight in backbone.model.parameters()),
        }
    )
    show(log, folder, dataset, verdict, metrics, kept)
    log.close()
    folder.write_judgements(judgements(verdict))
    folder.write_metrics(metrics)
    write_model_card(folder)
    folder.forget_checkpoints()
    processes.leave()
    reporter.enter("done")
    reporter.close()
    reporter.say(summary(metrics))


def put_together(
    checkpoints: Checkpoints, folder: RunFolder, config: TrainConfig, machine: Machine
) -> Backbone:
    """A model whose weights were shared out, whole in this process."""
    backbone = reopened_backbone(folder, config, machine.device)
    checkpoints.modules = {**checkpoints.modules, "model": backbone.model}
    checkpoints.processes = machine.processes
    checkpoints.restore_weights()
    return backbone


def judged(
    side: Side,
    backbone: Backbone,
    objective: RankingLoss,
    machine: Machine,
    standing: Standing,
    reporter: Reporter,
) -> Verdict:
    """How the weights as they are do on that side. Raises UserError."""

    def compute(tokens: int) -> dict[str, list[float]]:
        return rewards_of(backbone, side, machine, tokens, lambda _: reporter.alive())

    reporter.enter("evaluating")
    processes = machine.processes
    mine = standing.within_memory(compute, reporter.say, processes=processes)
    rewards = {name: row for part in processes.gather(mine) for name, row in part.items()}
    verdict = judge(side, rewards, objective)
    if not math.isfinite(verdict.loss):
        raise UserError(
            f"rewards are not numbers after step {standing.step};"
            " lower --learning-rate, or use --precision float32"
        )
    reporter.enter("training")
    return verdict
