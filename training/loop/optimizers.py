"""Optimisers, and the learning rate of each step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, Adafactor, Adam, AdamW, Muon, Optimizer, RMSprop

from training.backbones.backbone import Backbone
from training.config import LearningSettings
from training.distributed.fsdp import shard_like
from training.loop.loss import RankingLoss

OBJECTIVE_RATE = 0.05
"""Peak learning rate of the loss's own parameter, whatever the model's: one number, which has to
converge within the few dozen steps of a short run."""


class Optimizers:
    """Step one or several of torch's optimisers as one."""

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    def step(self, learning_rate: float) -> None:
        """Update the weights at this learning rate, or at a group's fixed multiple of it."""
        for group in self.param_groups:
            group["lr"] = learning_rate * group["times"]
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in the form of torch's own, parameters numbered across the parts."""
        whole: dict[str, Any] = {"state": {}, "param_groups": []}
        first = 0
        for part in self.parts:
            state = part.state_dict()
            whole["state"] |= {first + name: value for name, value in state["state"].items()}
            for group in state["param_groups"]:
                numbers = [first + name for name in group["params"]]
                whole["param_groups"].append({**group, "params": numbers})
            first += sum(len(group["params"]) for group in state["param_groups"])
        return whole

    def load_state_dict(self, whole: dict[str, Any]) -> None:
        """Restore a state that state_dict returned."""
        groups = list(whole["param_groups"])
        for part in self.parts:
            mine, groups = groups[: len(part.param_groups)], groups[len(part.param_groups) :]
            names = [name for group in mine for name in group["params"]]
            weights = [weight for group in part.param_groups for weight in group["params"]]
            state = {
                name: {
                    key: shard_like(weight, value) if isinstance(value, Tensor) else value
                    for key, value in whole["state"][name].items()
                }
                for name, weight in zip(names, weights, strict=True)
                if name in whole["state"]
            }
            part.load_state_dict({"state": state, "param_groups": mine})


def make_optimizer(
    backbone: Backbone, objective: RankingLoss, config: LearningSettings
) -> Optimizers:
    """Create the optimiser that the settings ask for, over the model and the objective.

    Weight decay leaves out biases, the scales of norms and the objective's parameters. These last
    are always trained by AdamW.
    """
    trained = {
        name: weight for name, weight in backbone.model.named_parameters() if weight.requires_grad
    }
    parts: list[Optimizer] = []
    if config.optimizer == "muon":
        hidden = hidden_matrices(backbone.model)
        parts.append(
            Muon(
                [{"params": hidden, "times": 1.0}],
                weight_decay=config.weight_decay,
                momentum=config.beta1,
                adjust_lr_fn="match_rms_adamw",
            )
        )
        taken = {id(weight) for weight in hidden}
        trained = {name: weight for name, weight in trained.items() if id(weight) not in taken}
    head_rate = config.head_learning_rate or config.learning_rate
    if head_rate == config.learning_rate:
        groups = _groups(trained.values(), 1.0)
    else:
        head = [trained.pop(name) for name in list(trained) if name in backbone.head]
        groups = _groups(trained.values(), 1.0) + _groups(head, head_rate / config.learning_rate)
    parts.append(_of_torch(groups, config))
    learned = list(objective.parameters())
    if learned:
        times = OBJECTIVE_RATE / config.learning_rate
        betas = (config.beta1, config.beta2)
        parts.append(AdamW([{"params": learned, "times": times}], betas=betas, weight_decay=0.0))
    return Optimizers(parts)


def _groups(weights: Iterable[nn.Parameter], times: float) -> list[dict[str, Any]]:
    """Return the groups of these weights: with weight decay, and without."""
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for weight in weights:
        (decayed if weight.dim() >= 2 else others).append(weight)
    return [
        {"params": decayed, "times": times},
        {"params": others, "times": times, "weight_decay": 0.0},
    ]


def _of_torch(groups: list[dict[str, Any]], config: LearningSettings) -> Optimizer:
    """Create torch's optimiser for these groups; Muon leaves them to AdamW."""
    decay, betas = config.weight_decay, (config.beta1, config.beta2)
    match config.optimizer:
        case "adam":
            return Adam(groups, betas=betas, weight_decay=decay, fused=True)
        case "adamw" | "muon":
            return AdamW(groups, betas=betas, weight_decay=decay, fused=True)
        case "sgd":
            return SGD(
                groups,
                momentum=config.beta1,
                nesterov=config.beta1 > 0,
                weight_decay=decay,
                fused=True,
            )
        case "rmsprop":
            return RMSprop(groups, alpha=config.beta2, momentum=config.beta1, weight_decay=decay)
        case "adafactor":
            return Adafactor(groups, weight_decay=decay)


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the matrices that Muon trains: neither embeddings nor the head's single row."""
    embeddings = {
        id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)
    }
    return [
        weight
        for weight in model.parameters()
        if weight.requires_grad
        and weight.dim() == 2
        and weight.shape[0] > 1
        and id(weight) not in embeddings
    ]


def learning_rate_at(step: int, steps: int, config: LearningSettings) -> float:
    """Return the learning rate of a step: a linear warm-up, then the decay of the schedule."""
    warmup = min(round(config.warmup_ratio * steps), steps - 1)
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - 1 - warmup)
    match config.schedule:
        case "cosine":
            left = 0.5 * (1 + math.cos(math.pi * done))
        case "linear":
            left = 1 - done
        case "constant":
            left = 1.0
    return config.learning_rate * (config.final_lr_ratio + (1 - config.final_lr_ratio) * left)
