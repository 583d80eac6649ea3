"""Run `python -m training.train`: load, loop, save and evaluate."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from training.aggregation import RankingFilter
from training.backbones.defaults import complete
from training.commandline import database_project, wants_bar
from training.config import TrainConfig, from_arguments, option
from training.data.batching import Batches
from training.data.database import DatabaseSource
from training.data.file import FileSource
from training.data.source import Source
from training.distributed.device import Device, silence_transformers
from training.distributed.processes import SINGLE_PROCESS, ProcessGroup
from training.errors import StoppedError, UserError
from training.evaluation.caveats import sentences
from training.evaluation.evaluate import EvalSplit, Evaluation, before_training, curves, held_out
from training.evaluation.report import summary
from training.evaluation.stopping import plan
from training.loop.checkpoint import Checkpoints
from training.loop.optimizers import learning_rate_at
from training.loop.resume import can_resume, resume_backbone
from training.loop.setup import begin, describe, merges_rankings
from training.loop.state import StepStats, TrainState
from training.loop.step import Learner, train_step
from training.programs.network import fit_to_data, judge_network
from training.programs.results import count_validated, mattering, run_metrics, write_results
from training.programs.run import Run, evaluate_now
from training.programs.save import certainty_of, learned_figures, save_model
from training.runs.caveats import data_caveats, few_steps, left_out
from training.runs.folder import RunFolder
from training.runs.json_files import finite
from training.runs.progress import MetricLog, Reporter
from training.runs.signals import asked, saving_first, stopped
from training.selection.validation import split_off


def work(arguments: argparse.Namespace, folder: RunFolder) -> None:
    """Train in this folder as the parsed arguments say. Raises UserError."""
    silence_transformers()
    config = from_arguments(arguments)
    # The source comes first: it may be mistyped, and start() removes an earlier run's results.
    source = open_source(arguments, RankingFilter.of(config.to_json()))
    config = complete(config)
    group = ProcessGroup.join(config)
    device = Device.choose(config, group)
    device.keep_freed_memory()
    config = device.complete(config)
    resuming = group.call_on_first(
        partial(open_folder, folder, config, source, restart=arguments.restart)
    )
    if resuming:
        config = as_it_began(folder, config)
    reporter = Reporter(
        folder,
        bar=wants_bar(arguments),
        times=arguments.log_times,
        silent=not group.is_first,
    )
    try:
        cache = arguments.cache_folder or folder.token_cache
        train(config, source, device, folder, cache, reporter, resuming)
    finally:
        reporter.close()


def open_source(arguments: argparse.Namespace, rankings: RankingFilter) -> Source:
    """Return the file or the project that the arguments name. Raises UserError."""
    if not arguments.rankings:
        return DatabaseSource(*database_project(arguments), rankings)
    if asked_for := rankings.to_json():
        names = ", ".join(option(name) for name in asked_for)
        raise UserError(f"{names}: only for a project, not for a file; leave out what is not used")
    return FileSource(arguments.rankings)


def open_folder(folder: RunFolder, config: TrainConfig, source: Source, *, restart: bool) -> bool:
    """Start a run in the folder or reopen the one that stopped there; return True for the latter.

    Raises UserError or OSError.
    """
    # torchrun restarts failed processes with the same command.
    restarted_by_launcher = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    from_scratch = restart and not restarted_by_launcher
    resuming = not from_scratch and can_resume(folder, config, source)
    if resuming:
        config = as_it_began(folder, config)
        folder.reopen()
    else:
        folder.start()
    folder.write_config(config)
    return resuming


def as_it_began(folder: RunFolder, config: TrainConfig) -> TrainConfig:
    """Return the settings with what the run decided, when it began, for those that are open."""
    before = folder.read_config()
    return config.filled_from(before) if before else config


def train(
    config: TrainConfig,
    source: Source,
    device: Device,
    folder: RunFolder,
    cache: Path,
    reporter: Reporter,
    resuming: bool,
) -> None:
    """Train one run, or the rest of one, save its model and evaluate it. Raises UserError."""
    run = load(config, source, device, folder, cache, reporter, resuming)
    evaluation = loop(run)
    run.learner = run.learner.after_training()
    if not device.group.is_first:
        device.group.leave()  # when the first is done: launchers wait only so long
        return
    continue_alone(run, folder)
    kept = restore_kept_weights(run)
    network = judge_network(run)
    if kept != run.state.step or network:
        evaluation = None  # frees the tables of the last weights
    evaluation = evaluation or evaluate_now(run, held_out(run.dataset))
    learned = learned_figures(run.config, evaluation)
    certainty = certainty_of(run, folder, evaluation)
    if certainty:
        learned["intervals"] = certainty.figures
    save_model(run, folder, evaluation, learned, certainty)
    metrics = run_metrics(run, evaluation, kept)
    metrics["held_out"] |= finite(learned)
    if choice := (folder.read_manifest() or {}).get("choice"):
        metrics["choice"] = finite({**choice, "network": network})
        if network and not network["factor"]:
            metrics.pop("stopping", None)  # of weights that were dropped
    settings = {"data": source.name, **mattering(run.config, network=bool(network))}
    write_results(run, folder, evaluation, metrics, settings)
    device.group.leave()
    reporter.enter("done", steps=run.steps, step=run.state.step)
    reporter.close()
    reporter.say(summary(metrics))


# 1. Load


def load(
    config: TrainConfig,
    source: Source,
    device: Device,
    folder: RunFolder,
    cache: Path,
    reporter: Reporter,
    resuming: bool,
) -> Run:
    """Read the rankings, create the model, and restore the last checkpoint if there is one."""
    started = time.monotonic()
    reporter.enter("loading")
    torch.manual_seed(config.seed)
    group = device.group
    backbone, dataset, from_cache = begin(config, source, device, folder, cache, resuming, reporter)
    config, rankings = fit_to_data(backbone, dataset, config)
    if group.is_first:
        folder.write_config(config)
    learner = Learner.create(backbone, config, device)
    checkpoints = Checkpoints(
        folder.checkpoints, learner.modules, learner.optimizer, config.checkpoint_minutes, group
    )
    state = TrainState(config.tokens_per_batch)
    if resuming:
        state = checkpoints.restore()
        # Smaller than the setting if memory ran out, or larger if the setting was lowered since.
        state.tokens_per_batch = min(state.tokens_per_batch, config.tokens_per_batch)
        reporter.say(f"resumed after step {state.step}")
    log = MetricLog(folder, state.step, silent=not group.is_first)
    batches = Batches(rankings, config, merged=merges_rankings(folder))
    started -= state.seconds
    run = Run(config, learner, dataset, batches, checkpoints, state, log, reporter, started)
    if isinstance(source, FileSource):
        reporter.say(source.how_read())
    reporter.say(describe(dataset, from_cache, backbone, config, device, run.steps))
    if config.chooses and run.steps:
        reporter.say(plan(config, count_validated(run)))
    first = few_steps(run.steps) if config.backbone == "pretrained" else ()
    for line in sentences([*first, *data_caveats(left_out(asdict(dataset.counts)))]):
        reporter.say(f"warning: {line}")
    return run


# 2. Loop


def loop(run: Run) -> Evaluation | None:
    """Evaluate, save, stop, step, log, until the run is done. Return the last evaluation.

    Raises StoppedError, in all processes, once the last step is saved.
    """
    group = run.learner.device.group
    evaluate_every = run.config.evaluate_every or run.batches.per_epoch
    evaluation: Evaluation | None = None
    enter_training(run)
    with saving_first():
        try:
            for step in range(run.state.step, run.steps + 1):
                if number := group.max([asked()])[0]:
                    raise stopped(number)
                if step == run.steps or step % evaluate_every == 0:
                    evaluation = None  # frees its tables before the next ones are made
                    evaluation = evaluate_now(run, held_out(run.dataset))
                    record_evaluation(run, evaluation)
                    enter_training(run)
                if group.call_on_first(lambda: run.checkpoints.are_due):
                    run.save()
                if step == run.steps or run.state.is_stuck(run.config.patience):
                    break
                step_and_log(run)
            # The weights of the last step, or of the best one, are in the last checkpoint.
            run.save()
        except StoppedError:
            enter_training(run)
            run.save()
            if run.config.checkpoint_minutes:
                run.reporter.say(
                    f"saved after step {run.state.step}; run the same command to resume"
                )
            raise
    return evaluation


def enter_training(run: Run) -> None:
    """Show that the run trains, from the step that it has come to."""
    state = run.state
    run.reporter.enter("training", steps=run.steps, step=state.step, seconds=state.seconds)


def record_evaluation(run: Run, evaluation: Evaluation) -> None:
    """Log a held-out evaluation, and save the weights if it is the best so far.

    A resumed run evaluates again where it stopped, which is not recorded twice.
    """
    state = run.state
    if state.step in state.held_out:
        return
    if state.step == 0 and not run.learner.backbone.head_is_new:
        state.before = before_training(evaluation)
    values, loss = curves(evaluation), evaluation.loss
    if run.config.validates:
        loss = evaluate_now(run, EvalSplit(split_off(run.dataset.train)[1])).loss
        values["validation_loss"] = loss
    if run.config.keep == "best" and state.would_be_best(loss):
        run.checkpoints.save_best(state.step)
    run.log.held_out(state.step, values)
    state.held_out[state.step] = loss


def step_and_log(run: Run) -> None:
    """Do the next step, and log its values. Raises UserError where they are not numbers."""
    state, step = run.state, run.state.step
    started = time.monotonic()
    learning_rate = learning_rate_at(step, run.steps, run.config)
    elements = run.batches[step]
    reading = time.monotonic() - started
    stats, gradient_norm = train_step(
        run.learner, elements, state, learning_rate, run.config.max_grad_norm, run.reporter.say
    )
    now = time.monotonic()
    state.record_step(
        stats,
        new_epoch=step % run.batches.per_epoch == 0,
        seconds=now - run.started,
        took=now - started,
        reading=reading,
    )
    rates = {"learning_rate": learning_rate, "gradient_norm": gradient_norm}
    log_step(run, stats, rates, stats.tokens / (now - started))


def log_step(
    run: Run, stats: StepStats, rates: Mapping[str, float], tokens_per_second: float
) -> None:
    """Write the values of the step just done to the log, and show them."""
    step = run.state.step
    if step % run.config.log_every == 0:
        values = {
            "loss": stats.loss,
            "accuracy": stats.accuracy,
            **rates,
            "tokens_per_second": tokens_per_second,
            **run.learner.objective.figures(),
        }
        run.log.training_step(step, values, run.state.seconds)
    run.reporter.step(
        step,
        seconds=run.state.seconds,
        loss=stats.loss,
        accuracy=stats.accuracy,
        tokens_per_second=tokens_per_second,
    )


# 3. Save: from here on, only the first process works


def continue_alone(run: Run, folder: RunFolder) -> None:
    """Leave the group of processes, with a whole model if the weights were shared."""
    sharded = run.learner.device.group.sharded
    device = replace(run.learner.device, group=SINGLE_PROCESS)
    run.learner = replace(run.learner, device=device)
    if not sharded:
        return
    backbone = resume_backbone(folder, run.config, device.torch_device)
    run.learner = replace(run.learner, backbone=backbone)
    run.checkpoints.modules = run.learner.modules
    run.checkpoints.group = SINGLE_PROCESS
    run.checkpoints.restore_weights()


def restore_kept_weights(run: Run) -> int:
    """Restore the weights that the settings keep, and return their step."""
    kept = run.state.best if run.config.keep == "best" else run.state.step
    if kept != run.state.step:
        run.checkpoints.restore_weights(kept)
    return kept
