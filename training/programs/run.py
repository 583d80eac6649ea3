"""A run while it trains: its parts, and the evaluation of its weights."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass

from training.config import TrainConfig
from training.data.batching import Batches
from training.data.dataset import Dataset
from training.errors import UserError
from training.evaluation.evaluate import EvalSplit, Evaluation, evaluate, split_rewards
from training.loop.checkpoint import Checkpoints
from training.loop.state import TrainState
from training.loop.step import Learner
from training.runs.progress import MetricLog, Reporter
from training.sentences import sentence


@dataclass(slots=True)
class Run:
    """Hold the parts of a run while it trains."""

    config: TrainConfig
    learner: Learner
    dataset: Dataset
    batches: Batches
    checkpoints: Checkpoints
    state: TrainState
    log: MetricLog
    reporter: Reporter
    started: float
    """time.monotonic() at its start, as if it had never stopped."""

    @property
    def steps(self) -> int:
        """Return the number of steps of the whole run; none where there is nothing to train."""
        if not self.learner.has_weights:
            return 0
        return min(
            self.batches.per_epoch * self.config.epochs, self.config.max_steps or sys.maxsize
        )

    @property
    def seconds(self) -> float:
        """Return the seconds since its start, without the time between stopping and resuming."""
        return time.monotonic() - self.started

    def save(self) -> None:
        """Write a checkpoint, and the logged values before it."""
        self.log.flush()
        self.checkpoints.save(self.state)


def rewards_now(run: Run, split: EvalSplit) -> dict[str, list[float]]:
    """Return the rewards of each prompt's responses by the current weights, by prompt hash.

    Each of several processes scores a part of the prompts.
    """
    device, reporter = run.learner.device, run.reporter
    responses = split.count_responses() // device.group.count

    def rewards(tokens_per_batch: int) -> dict[str, list[float]]:
        reporter.enter("evaluating", steps=responses)
        return split_rewards(
            run.learner.backbone, split, device, tokens_per_batch, reporter.advance
        )

    return run.state.with_oom_backoff(rewards, reporter.say, group=device.group)


def evaluate_now(run: Run, split: EvalSplit) -> Evaluation:
    """Evaluate the current weights. Raises UserError where a reward is not a number."""
    group, state = run.learner.device.group, run.state
    parts = group.all_gather(rewards_now(run, split))
    rewards = {name: row for part in parts for name, row in part.items()}
    evaluation = evaluate(split, rewards, run.learner.objective)
    if not math.isfinite(evaluation.loss):
        raise UserError(
            sentence(
                "rewards are not numbers after step %(step)s;"
                " lower --learning-rate, or use --precision float32",
                step=str(state.step),
            )
        )
    return evaluation
